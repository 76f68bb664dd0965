// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ISignatureTransfer} from "@uniswap/v4-periphery/lib/permit2/src/interfaces/ISignatureTransfer.sol";
import {IX402Permit2Proxy} from "./IX402Permit2Proxy.sol";

/// @title x402's proxy of Permit2 for the scheme `upto`
/// @notice Moves as much as the facilitator says, up to what was permitted. Only the facilitator that the payer named may
/// submit it.
interface IX402UptoPermit2Proxy is IX402Permit2Proxy {
    /// @notice Who is paid, who alone may settle, and from when on (seconds since 1970).
    struct Witness {
        address to;
        address facilitator;
        uint256 validAfter;
    }

    error AmountExceedsPermitted();
    error UnauthorizedFacilitator();

    /// @notice Pays `amount` of `owner` to `witness.to`.
    function settle(
        ISignatureTransfer.PermitTransferFrom calldata permit,
        uint256 amount,
        address owner,
        Witness calldata witness,
        bytes calldata signature
    ) external;

    /// @notice The same after submitting the payer's EIP-2612 signature for Permit2 over exactly what is permitted. That
    /// somebody else has submitted it before does not matter.
    function settleWithPermit(
        EIP2612Permit calldata permit2612,
        ISignatureTransfer.PermitTransferFrom calldata permit,
        uint256 amount,
        address owner,
        Witness calldata witness,
        bytes calldata signature
    ) external;
}
