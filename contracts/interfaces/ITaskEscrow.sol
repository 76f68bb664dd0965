// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ICustody} from "./ICustody.sol";

/// @notice The work, signed by the payer as the witness of a Permit2 transfer.
struct Task {
    address payer;
    address node;
    bytes32 model;
    bytes32 request;
    uint8 policy;
    uint128 maxAmount;
    uint40 deadline;
    uint256 nonce;
}

/// @notice What a payer signed for a task: with the task itself as the witness, or by x402's `upto`.
struct Payment {
    /// @dev Whose entry the `upto` authorization names; zero where the task is the witness.
    address facilitator;
    /// @dev As in x402's witness, seconds since 1970; not read where the task is the witness.
    uint256 validAfter;
    bytes signature;
}

/// @title Custody of what tasks are paid with
/// @notice Locks the ceiling of a task under the payer's Permit2 signature, lets `SETTLEMENT` take the charge once, from the
/// lock or straight from the payer, and gives back the rest to where it came from.
/// @dev `taskId` is the EIP-712 digest of the task in this contract's domain ("OPG TaskEscrow", version "1").
/// @custom:warning An `upto` authorization fixes payer, token, ceiling, nonce and deadline, and the facilitator who may use it.
/// Node, model and request are that facilitator's choice: the payer trusts it with them.
interface ITaskEscrow is ICustody {
    enum Status {
        None,
        Open,
        Closed
    }

    /// @dev One storage slot. A closed task leaves `status` behind as a tombstone.
    struct Lock {
        uint128 amount;
        uint40 deadline;
        Status status;
    }

    /// @notice `maxAmount` of the payer is locked for a task.
    event TaskOpened(
        bytes32 indexed taskId,
        address indexed payer,
        address indexed node,
        bytes32 model,
        uint128 maxAmount,
        uint40 deadline
    );
    /// @notice The task ended with a charge: `nodeAmount` of it was credited to `payout`, `refund` went back to the payer. A
    /// captured task had no lock, so nothing goes back.
    event TaskCharged(
        bytes32 indexed taskId,
        address indexed payer,
        address indexed payout,
        uint256 charge,
        uint256 nodeAmount,
        uint256 refund
    );
    /// @notice The task ended without a charge; all of it went back to the payer.
    event TaskRefunded(bytes32 indexed taskId, address indexed payer, uint128 amount);
    /// @notice Governance registered a facilitator, or took it off the list.
    event FacilitatorSet(address indexed facilitator, bool registered);
    /// @notice A facilitator has an entry, where it stays.
    event EntryCreated(address indexed facilitator, address indexed entry);

    error DeadlinePassed(uint40 deadline);
    error DeadlineTooFar(uint40 deadline, uint256 latest);
    error TaskNotNew(bytes32 taskId);
    /// @dev `SETTLEMENT` has a result for `taskId`, and was given a task whose id is another.
    error NotThatTask(bytes32 taskId, bytes32 actualId);
    error TaskNotOpen(bytes32 taskId, Status status);
    error WindowStillOpen(uint256 closesAt);
    error WindowClosed(uint256 closedAt);
    error ChargeAboveMaximum(uint256 charge, uint256 maxAmount);
    /// @dev A capture without a charge, of a task whose payment was used.
    error NonceUsed(address payer, uint256 nonce);
    /// @dev A payer with code could take back what it signed; its task must be opened before it is run.
    error PayerHasCode(address payer);
    error EntryExists(address facilitator, address entry);
    error NoEntry(address facilitator);

    /// @notice Locks `task.maxAmount` from `task.payer`, whose Permit2 signature has the task as its witness: spender this
    /// contract, nonce `task.nonce`, deadline `task.deadline + SETTLE_WINDOW_SECONDS`. Anyone may submit it.
    function open(Task calldata task, bytes calldata signature) external returns (bytes32 taskId);

    /// @notice Locks `task.maxAmount` from `task.payer`, who has signed x402's `upto` for it: permitted `TOKEN` and
    /// `task.maxAmount`, nonce `task.nonce`, deadline `task.deadline + SETTLE_WINDOW_SECONDS`, witness this contract, the
    /// facilitator's entry and `validAfter`. Only a signer of that entry may submit it.
    function openUpto(
        Task calldata task,
        address facilitator,
        uint256 validAfter,
        bytes calldata signature
    ) external returns (bytes32 taskId);

    /// @notice Gives the whole lock back to the payer once nobody can settle it any more. Anyone may call it.
    function refund(Task calldata task) external;

    /// @notice Ends a task with a charge of `nodeAmount + poolAmount`: the first is credited to `payout`, the second stays
    /// for the pools that `SETTLEMENT` keeps. What is left of the lock returns to the payer; should the token refuse that
    /// transfer, it is credited to the payer instead, so that nobody's pay depends on the payer. Only `SETTLEMENT`.
    function charge(
        bytes32 taskId,
        Task calldata task,
        address payout,
        uint128 nodeAmount,
        uint128 poolAmount
    ) external;

    /// @notice Ends a task with a charge like `charge`, whether or not it was opened. Of an open one the lock is used and
    /// `payment` is not. Otherwise exactly the charge is taken from the payer, under what the payer signed: with the same
    /// window as a lock has, the deadline at most `MAX_TASK_SECONDS` ahead, and never from a payer with code. It happens once,
    /// by Permit2's nonce; a charge of nothing moves nothing and closes the task. Only `SETTLEMENT`.
    /// @param submitter who submits it; under `upto` it must be a signer of the entry
    function capture(
        bytes32 taskId,
        Task calldata task,
        address payout,
        uint128 nodeAmount,
        uint128 poolAmount,
        Payment calldata payment,
        address submitter
    ) external;

    /// @notice Ends a task under a certificate of refusals; all of it returns to the payer. Only `SETTLEMENT`.
    function refuse(bytes32 taskId, Task calldata task) external;

    /// @notice Makes the entry of a facilitator: a minimal clone of `ENTRY_IMPLEMENTATION` at the address that `entryOf` tells
    /// before. Anyone may call it, once.
    function createEntry(address facilitator) external returns (address entry);

    /// @notice Governance names who may release tasks.
    function setFacilitator(address facilitator, bool registered) external;

    /// @notice EIP-712 digest of a task: its identity everywhere.
    function taskIdOf(Task calldata task) external view returns (bytes32);
    /// @notice Where a facilitator's entry is, or would be.
    function entryOf(address facilitator) external view returns (address);
    /// @notice What is locked for a task; of a closed task nothing but its status. A captured task leaves its mark at Permit2,
    /// not here.
    function locks(bytes32 taskId) external view returns (Lock memory);
    /// @notice Whether nodes may take releases of this facilitator.
    function isFacilitator(address facilitator) external view returns (bool);
    /// @notice What every entry is a clone of.
    function ENTRY_IMPLEMENTATION() external view returns (address);
    /// @notice How far ahead a deadline may lie.
    function MAX_TASK_SECONDS() external view returns (uint256);
    /// @notice How long after its deadline a task can still be settled, and from when on it can be refunded.
    function SETTLE_WINDOW_SECONDS() external view returns (uint256);
}
