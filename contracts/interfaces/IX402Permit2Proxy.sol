// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ISignatureTransfer} from "@uniswap/v4-periphery/lib/permit2/src/interfaces/ISignatureTransfer.sol";

/// @title What x402's two proxies of Permit2 have in common
/// @notice A proxy is the spender of a payer's Permit2 signature and sends the tokens where the signed witness says, so that
/// whoever submits the payment cannot send them elsewhere.
/// @dev The interface that x402 publishes, selector by selector; a test compares it with what stock clients carry.
interface IX402Permit2Proxy {
    /// @notice An EIP-2612 signature that lets Permit2 move the payer's tokens.
    struct EIP2612Permit {
        uint256 value;
        uint256 deadline;
        bytes32 r;
        bytes32 s;
        uint8 v;
    }

    /// @notice A payment was made.
    event Settled();
    /// @notice A payment was made, and an EIP-2612 signature submitted before it.
    event SettledWithPermit();

    error InvalidDestination();
    error InvalidOwner();
    /// @dev Part of the published interface; not raised where Permit2's address is a constant.
    error InvalidPermit2Address();
    error PaymentTooEarly();
    error Permit2612AmountMismatch();

    /// @notice Permit2, which checks the payer's signature and uses up the nonce.
    function PERMIT2() external view returns (ISignatureTransfer);
    /// @notice EIP-712 type hash of the witness.
    function WITNESS_TYPEHASH() external view returns (bytes32);
    /// @notice What follows the stub of Permit2's own type.
    function WITNESS_TYPE_STRING() external view returns (string memory);
}
