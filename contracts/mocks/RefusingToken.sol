// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A token that returns false, and moves nothing, for recipients it refuses
/// @notice Its code takes the place of OPG's in tests.
contract RefusingToken is ERC20("Refusing", "NO") {
    /// @notice Whether transfers to an account fail.
    mapping(address account => bool refused) public isRefused;

    /// @notice Refuses an account from now on, or no longer.
    function setRefused(address account, bool refused) external {
        isRefused[account] = refused;
    }

    /// @notice Returns false and moves nothing where the recipient is refused.
    function transfer(address to, uint256 value) public override returns (bool) {
        return !isRefused[to] && super.transfer(to, value);
    }

    /// @notice The same.
    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        return !isRefused[to] && super.transferFrom(from, to, value);
    }
}
