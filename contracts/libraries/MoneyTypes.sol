// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Batch, Result} from "../interfaces/ISettlement.sol";
import {Task} from "../interfaces/ITaskEscrow.sol";
import {Share} from "./Share.sol";

/// @title EIP-712 struct hashes of what the money contracts check
/// @notice The same types as `packages/protocol/typedData.ts`; a test compares the two.
library MoneyTypes {
    bytes32 internal constant TASK_TYPEHASH = keccak256(
        "Task(address payer,address node,bytes32 model,bytes32 request,uint8 policy,uint128 maxAmount,uint40 deadline,uint256 nonce)"
    );
    bytes32 internal constant RESULT_TYPEHASH = keccak256(
        "Result(bytes32 taskId,bytes32 response,address payout,uint128 amount,uint40 completedAt)"
    );
    bytes32 internal constant VERDICT_TYPEHASH = keccak256(
        "Verdict(bytes32 resultHash,uint64 epoch,uint8 mode,bool agrees)"
    );
    bytes32 internal constant COUNTS_TYPEHASH = keccak256("Counts(uint64 epoch,address[] verifiers,uint64[] counts)");
    bytes32 internal constant HANDOVER_TYPEHASH = keccak256(
        "Handover(bytes32 networkId,uint64 epoch,bytes32 previousSet,bytes32 nextSet,uint40 validUntil)"
    );

    bytes32 internal constant VOUCHER_TYPEHASH = keccak256("Voucher(address payer,address facilitator,uint128 cap)");
    bytes32 internal constant DEPOSIT_TYPEHASH = keccak256("Deposit(address payer,address facilitator)");
    bytes32 internal constant BATCH_TYPEHASH = keccak256(
        "Batch(address facilitator,bytes32 previous,bytes32 root,bytes32 debits,bytes32 credits,uint64 epoch)"
    );

    /// @dev What follows the stub of Permit2's own type: its members from the witness on, then all other types by name.
    string internal constant TASK_WITNESS_TYPE_STRING =
        "Task witness)Task(address payer,address node,bytes32 model,bytes32 request,uint8 policy,uint128 maxAmount,uint40 deadline,uint256 nonce)TokenPermissions(address token,uint256 amount)";
    /// @dev The same for a deposit.
    string internal constant DEPOSIT_WITNESS_TYPE_STRING =
        "Deposit witness)Deposit(address payer,address facilitator)TokenPermissions(address token,uint256 amount)";

    function hashTask(Task calldata task) internal pure returns (bytes32) {
        return keccak256(abi.encode(TASK_TYPEHASH, task));
    }

    function hashResult(Result calldata result) internal pure returns (bytes32) {
        return keccak256(abi.encode(RESULT_TYPEHASH, result));
    }

    function hashVerdict(bytes32 resultHash, uint64 epoch, uint8 mode, bool agrees) internal pure returns (bytes32) {
        return keccak256(abi.encode(VERDICT_TYPEHASH, resultHash, epoch, mode, agrees));
    }

    function hashCounts(
        uint64 epoch,
        address[] calldata verifiers,
        uint64[] calldata counts
    ) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    COUNTS_TYPEHASH,
                    epoch,
                    keccak256(abi.encodePacked(verifiers)),
                    keccak256(abi.encodePacked(counts))
                )
            );
    }

    function hashHandover(
        bytes32 networkId,
        uint64 epoch,
        bytes32 previousSet,
        bytes32 nextSet,
        uint40 validUntil
    ) internal pure returns (bytes32) {
        return keccak256(abi.encode(HANDOVER_TYPEHASH, networkId, epoch, previousSet, nextSet, validUntil));
    }

    function hashDeposit(address payer, address facilitator) internal pure returns (bytes32) {
        return keccak256(abi.encode(DEPOSIT_TYPEHASH, payer, facilitator));
    }

    function hashBatch(Batch calldata batch) internal pure returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    BATCH_TYPEHASH,
                    batch.facilitator,
                    batch.previous,
                    batch.root,
                    batch.debits,
                    batch.credits,
                    batch.epoch
                )
            );
    }

    /// @dev `keccak256(abi.encodePacked(shares))` where they are; the copy would cost every batch.
    function hashShares(Share[] memory shares) internal pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            digest := keccak256(add(shares, 0x20), shl(5, mload(shares)))
        }
    }
}
