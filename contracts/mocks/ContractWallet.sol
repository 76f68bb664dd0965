// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title A payer with code
/// @notice Accepts what its owner signed (EIP-1271).
contract ContractWallet is IERC1271 {
    /// @notice Whose signatures count.
    address public immutable OWNER;

    constructor(address owner, IERC20 token, address spender) {
        OWNER = owner;
        token.approve(spender, type(uint256).max);
    }

    /// @inheritdoc IERC1271
    function isValidSignature(bytes32 digest, bytes calldata signature) external view returns (bytes4) {
        bool valid = ECDSA.recoverCalldata(digest, signature) == OWNER;
        return valid ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}
