// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ISignatureTransfer} from "@uniswap/v4-periphery/lib/permit2/src/interfaces/ISignatureTransfer.sol";
import {IX402ExactPermit2Proxy} from "../interfaces/IX402ExactPermit2Proxy.sol";
import {IX402Permit2Proxy} from "../interfaces/IX402Permit2Proxy.sol";
import {X402Permit2Proxy} from "./X402Permit2Proxy.sol";

/// @title X402ExactPermit2Proxy
/// @notice See IX402ExactPermit2Proxy.
contract X402ExactPermit2Proxy is IX402ExactPermit2Proxy, X402Permit2Proxy {
    /// @inheritdoc IX402Permit2Proxy
    string public constant WITNESS_TYPE_STRING =
        "Witness witness)TokenPermissions(address token,uint256 amount)Witness(address to,uint256 validAfter)";
    /// @inheritdoc IX402Permit2Proxy
    bytes32 public constant WITNESS_TYPEHASH = keccak256("Witness(address to,uint256 validAfter)");

    /// @inheritdoc IX402ExactPermit2Proxy
    function settle(
        ISignatureTransfer.PermitTransferFrom calldata permit,
        address owner,
        Witness calldata witness,
        bytes calldata signature
    ) external nonReentrant {
        emit Settled();
        _pay(permit, owner, witness, signature);
    }

    /// @inheritdoc IX402ExactPermit2Proxy
    function settleWithPermit(
        EIP2612Permit calldata permit2612,
        ISignatureTransfer.PermitTransferFrom calldata permit,
        address owner,
        Witness calldata witness,
        bytes calldata signature
    ) external nonReentrant {
        emit SettledWithPermit();
        _submitPermit(permit2612, permit.permitted, owner);
        _pay(permit, owner, witness, signature);
    }

    function _pay(
        ISignatureTransfer.PermitTransferFrom calldata permit,
        address owner,
        Witness calldata witness,
        bytes calldata signature
    ) private {
        if (permit.permitted.amount == 0) revert InvalidAmount();
        _checkPayment(owner, witness.to, witness.validAfter);
        PERMIT2.permitWitnessTransferFrom(
            permit,
            ISignatureTransfer.SignatureTransferDetails({to: witness.to, requestedAmount: permit.permitted.amount}),
            owner,
            keccak256(abi.encode(WITNESS_TYPEHASH, witness)),
            WITNESS_TYPE_STRING,
            signature
        );
    }
}
