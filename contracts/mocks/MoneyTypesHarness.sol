// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Batch, Result} from "../interfaces/ISettlement.sol";
import {Task} from "../interfaces/ITaskEscrow.sol";
import {MoneyTypes} from "../libraries/MoneyTypes.sol";
import {VoucherSigner} from "../libraries/VoucherSigner.sol";

/// @title Shows what MoneyTypes computes
/// @notice For the test that compares it with packages/protocol.
contract MoneyTypesHarness {
    /// @notice Names and type hashes.
    function typeHashes() external pure returns (string[] memory names, bytes32[] memory hashes) {
        names = new string[](8);
        hashes = new bytes32[](8);
        (names[0], hashes[0]) = ("Task", MoneyTypes.TASK_TYPEHASH);
        (names[1], hashes[1]) = ("Result", MoneyTypes.RESULT_TYPEHASH);
        (names[2], hashes[2]) = ("Verdict", MoneyTypes.VERDICT_TYPEHASH);
        (names[3], hashes[3]) = ("Counts", MoneyTypes.COUNTS_TYPEHASH);
        (names[4], hashes[4]) = ("Handover", MoneyTypes.HANDOVER_TYPEHASH);
        (names[5], hashes[5]) = ("Voucher", MoneyTypes.VOUCHER_TYPEHASH);
        (names[6], hashes[6]) = ("Deposit", MoneyTypes.DEPOSIT_TYPEHASH);
        (names[7], hashes[7]) = ("Batch", MoneyTypes.BATCH_TYPEHASH);
    }

    /// @notice What follows the stub of Permit2's type, of a task and of a deposit.
    function witnessTypeStrings() external pure returns (string memory task, string memory deposit) {
        return (MoneyTypes.TASK_WITNESS_TYPE_STRING, MoneyTypes.DEPOSIT_WITNESS_TYPE_STRING);
    }

    /// @notice Struct hash of a task.
    function hashTask(Task calldata task) external pure returns (bytes32) {
        return MoneyTypes.hashTask(task);
    }

    /// @notice Struct hash of a result.
    function hashResult(Result calldata result) external pure returns (bytes32) {
        return MoneyTypes.hashResult(result);
    }

    /// @notice Struct hash of a verdict.
    function hashVerdict(bytes32 resultHash, uint64 epoch, uint8 mode, bool agrees) external pure returns (bytes32) {
        return MoneyTypes.hashVerdict(resultHash, epoch, mode, agrees);
    }

    /// @notice Struct hash of counts.
    function hashCounts(
        uint64 epoch,
        address[] calldata verifiers,
        uint64[] calldata counts
    ) external pure returns (bytes32) {
        return MoneyTypes.hashCounts(epoch, verifiers, counts);
    }

    /// @notice Struct hash of a handover.
    function hashHandover(
        bytes32 networkId,
        uint64 epoch,
        bytes32 previousSet,
        bytes32 nextSet,
        uint40 validUntil
    ) external pure returns (bytes32) {
        return MoneyTypes.hashHandover(networkId, epoch, previousSet, nextSet, validUntil);
    }

    /// @notice Who signed a voucher.
    function voucherSigner(
        bytes32 domainSeparator,
        address payer,
        address facilitator,
        uint96 cap,
        bytes32 r,
        bytes32 vs
    ) external view returns (address) {
        return VoucherSigner.recover(domainSeparator, payer, facilitator, cap, r, vs);
    }

    /// @notice Struct hash of a deposit.
    function hashDeposit(address payer, address facilitator) external pure returns (bytes32) {
        return MoneyTypes.hashDeposit(payer, facilitator);
    }

    /// @notice Struct hash of a batch.
    function hashBatch(Batch calldata batch) external pure returns (bytes32) {
        return MoneyTypes.hashBatch(batch);
    }
}
