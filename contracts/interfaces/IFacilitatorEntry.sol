// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ISignatureTransfer} from "@uniswap/v4-periphery/lib/permit2/src/interfaces/ISignatureTransfer.sol";
import {IX402UptoPermit2Proxy} from "./IX402UptoPermit2Proxy.sol";

/// @title Where x402's `upto` authorizations enter for one facilitator
/// @notice A minimal clone per facilitator, made by `ESCROW`. A payer who names it as `witness.facilitator` lets this
/// facilitator settle, with any of its signers, and nobody else.
/// @custom:warning What is paid to `ESCROW` is booked only where `ESCROW` asks for it. So an authorization whose `to` is
/// `ESCROW` passes by `pull` alone; and one that names a plain account as its facilitator would be a gift to the contract.
interface IFacilitatorEntry {
    /// @notice The facilitator let another account settle for it, or no longer.
    event SignerSet(address indexed signer, bool allowed);

    error OnlyEscrow(address caller);
    error OnlyFacilitator(address caller);
    error NotASigner(address caller);
    /// @dev The money is for a task: only `ESCROW` may ask for it.
    error ReservedForTasks(address to);

    /// @notice Brings `amount` of `owner` to `ESCROW` for a task that `submitter`, one of the signers, submits. Only `ESCROW`,
    /// which has made permit and witness itself.
    function pull(
        address submitter,
        ISignatureTransfer.PermitTransferFrom calldata permit,
        uint256 amount,
        address owner,
        IX402UptoPermit2Proxy.Witness calldata witness,
        bytes calldata signature
    ) external;

    /// @notice Settles a payment to somebody else, of any token: from `owner` straight to `witness.to`. Only signers.
    /// @dev The selector is the proxy's own.
    function settle(
        ISignatureTransfer.PermitTransferFrom calldata permit,
        uint256 amount,
        address owner,
        IX402UptoPermit2Proxy.Witness calldata witness,
        bytes calldata signature
    ) external;

    /// @notice The facilitator lets another account settle for it, or no longer.
    function setSigner(address signer, bool allowed) external;

    /// @notice Whether an account settles here: the facilitator itself, or whom it has set.
    function isSigner(address account) external view returns (bool);
    /// @notice Whose entry this is.
    function facilitator() external view returns (address);
    /// @notice The custody that has made this entry.
    function ESCROW() external view returns (address);
    /// @notice x402's proxy of Permit2 for the scheme `upto`, the same on every chain.
    function UPTO_PROXY() external view returns (address);
}
