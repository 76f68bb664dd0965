// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ISignatureTransfer} from "@uniswap/v4-periphery/lib/permit2/src/interfaces/ISignatureTransfer.sol";
import {IFacilitatorEntry} from "../interfaces/IFacilitatorEntry.sol";
import {ITaskEscrow, Payment, Task} from "../interfaces/ITaskEscrow.sol";
import {IX402UptoPermit2Proxy} from "../interfaces/IX402UptoPermit2Proxy.sol";
import {MoneyTypes} from "../libraries/MoneyTypes.sol";
import {Accounts} from "./Accounts.sol";
import {Custody} from "./Custody.sol";
import {FacilitatorEntry} from "./FacilitatorEntry.sol";

/// @title TaskEscrow
/// @notice See ITaskEscrow.
contract TaskEscrow is ITaskEscrow, Accounts {
    using SafeERC20 for IERC20;

    /// @inheritdoc ITaskEscrow
    address public immutable ENTRY_IMPLEMENTATION;
    /// @inheritdoc ITaskEscrow
    uint256 public immutable MAX_TASK_SECONDS;
    /// @inheritdoc ITaskEscrow
    uint256 public immutable SETTLE_WINDOW_SECONDS;

    mapping(bytes32 taskId => Lock lock) private _locks;
    /// @inheritdoc ITaskEscrow
    mapping(address facilitator => bool registered) public isFacilitator;

    /// @dev The deployer is the settlement contract.
    constructor(
        address token,
        address permit2,
        address authority,
        uint256 maxTaskSeconds,
        uint256 settleWindowSeconds,
        uint256 withdrawDelaySeconds
    ) Custody(token, permit2, authority) Accounts(withdrawDelaySeconds) EIP712("OPG TaskEscrow", "1") {
        ENTRY_IMPLEMENTATION = address(new FacilitatorEntry());
        MAX_TASK_SECONDS = maxTaskSeconds;
        SETTLE_WINDOW_SECONDS = settleWindowSeconds;
    }

    /// @inheritdoc ITaskEscrow
    function open(Task calldata task, bytes calldata signature) external returns (bytes32 taskId) {
        bytes32 taskHash;
        (taskId, taskHash) = _lock(task);
        _pull(task, taskHash, task.maxAmount, signature);
    }

    /// @inheritdoc ITaskEscrow
    function openUpto(
        Task calldata task,
        address facilitator,
        uint256 validAfter,
        bytes calldata signature
    ) external returns (bytes32 taskId) {
        (taskId, ) = _lock(task);
        _pullUpto(task, task.maxAmount, facilitator, validAfter, signature, msg.sender);
    }

    /// @inheritdoc ITaskEscrow
    function refund(Task calldata task) external {
        bytes32 taskId = taskIdOf(task);
        Lock storage lock = _openLock(taskId);
        uint256 closesAt = lock.deadline + SETTLE_WINDOW_SECONDS;
        if (block.timestamp <= closesAt) revert WindowStillOpen(closesAt);

        _giveBack(taskId, task.payer, lock);
    }

    /// @inheritdoc ITaskEscrow
    function charge(
        bytes32 taskId,
        Task calldata task,
        address payout,
        uint128 nodeAmount,
        uint128 poolAmount
    ) external onlySettlement {
        _requireThatTask(taskId, task);
        _charge(taskId, task, payout, nodeAmount, poolAmount);
    }

    /// @inheritdoc ITaskEscrow
    function capture(
        bytes32 taskId,
        Task calldata task,
        address payout,
        uint128 nodeAmount,
        uint128 poolAmount,
        Payment calldata payment,
        address submitter
    ) external onlySettlement {
        bytes32 taskHash = _requireThatTask(taskId, task);
        if (_locks[taskId].status != Status.None) return _charge(taskId, task, payout, nodeAmount, poolAmount);
        uint256 amount = uint256(nodeAmount) + poolAmount;
        _checkCapturable(task, amount);

        // Permit2's nonce makes every other capture the only one; one without a charge does not use the nonce up.
        if (amount == 0) _closeUncharged(taskId, task);
        earnings[payout] += nodeAmount;
        emit TaskCharged(taskId, task.payer, payout, amount, nodeAmount, 0);
        if (amount == 0) return;
        if (payment.facilitator == address(0)) _pull(task, taskHash, amount, payment.signature);
        else _pullUpto(task, amount, payment.facilitator, payment.validAfter, payment.signature, submitter);
    }

    /// @inheritdoc ITaskEscrow
    function refuse(bytes32 taskId, Task calldata task) external onlySettlement {
        _requireThatTask(taskId, task);
        _giveBack(taskId, task.payer, _settleableLock(taskId));
    }

    /// @inheritdoc ITaskEscrow
    function createEntry(address facilitator) external returns (address entry) {
        entry = entryOf(facilitator);
        if (entry.code.length != 0) revert EntryExists(facilitator, entry);

        emit EntryCreated(facilitator, entry);
        Clones.cloneDeterministicWithImmutableArgs(ENTRY_IMPLEMENTATION, abi.encodePacked(facilitator), bytes32(0));
    }

    /// @inheritdoc ITaskEscrow
    function setFacilitator(address facilitator, bool registered) external restricted {
        isFacilitator[facilitator] = registered;
        emit FacilitatorSet(facilitator, registered);
    }

    /// @inheritdoc ITaskEscrow
    function locks(bytes32 taskId) external view returns (Lock memory) {
        return _locks[taskId];
    }

    /// @inheritdoc ITaskEscrow
    function entryOf(address facilitator) public view returns (address) {
        bytes memory args = abi.encodePacked(facilitator);
        return Clones.predictDeterministicAddressWithImmutableArgs(ENTRY_IMPLEMENTATION, args, bytes32(0));
    }

    /// @inheritdoc ITaskEscrow
    function taskIdOf(Task calldata task) public view returns (bytes32) {
        return _hashTypedDataV4(MoneyTypes.hashTask(task));
    }

    function _lock(Task calldata task) private returns (bytes32 taskId, bytes32 taskHash) {
        _checkEntry(task.maxAmount);
        if (block.timestamp > task.deadline) revert DeadlinePassed(task.deadline);
        _checkNotTooFar(task.deadline);
        taskHash = MoneyTypes.hashTask(task);
        taskId = _hashTypedDataV4(taskHash);
        if (_locks[taskId].status != Status.None) revert TaskNotNew(taskId);

        _locks[taskId] = Lock({amount: task.maxAmount, deadline: task.deadline, status: Status.Open});
        emit TaskOpened(taskId, task.payer, task.node, task.model, task.maxAmount, task.deadline);
    }

    function _charge(
        bytes32 taskId,
        Task calldata task,
        address payout,
        uint128 nodeAmount,
        uint128 poolAmount
    ) private {
        Lock storage lock = _settleableLock(taskId);
        uint256 locked = lock.amount;
        uint256 amount = uint256(nodeAmount) + poolAmount;
        if (amount > locked) revert ChargeAboveMaximum(amount, locked);

        uint256 rest = locked - amount;
        _close(lock);
        earnings[payout] += nodeAmount;
        emit TaskCharged(taskId, task.payer, payout, amount, nodeAmount, rest);
        // A payer whom the token refuses to pay must not keep the node from its pay: the rest then waits for them here.
        if (rest != 0 && !IERC20(TOKEN).trySafeTransfer(task.payer, rest)) _earn(task.payer, rest);
    }

    /// @dev Not for a task that was captured before: that has left nothing here but a used nonce.
    function _closeUncharged(bytes32 taskId, Task calldata task) private {
        uint256 word = ISignatureTransfer(PERMIT2).nonceBitmap(task.payer, task.nonce >> 8);
        if ((word >> (task.nonce & 255)) & 1 != 0) revert NonceUsed(task.payer, task.nonce);
        _close(_locks[taskId]);
    }

    /// @dev Takes `amount` of what the payer signed with the task as the witness.
    function _pull(
        Task calldata task,
        bytes32 taskHash,
        uint256 amount,
        bytes calldata signature
    ) private receives(amount) {
        ISignatureTransfer(PERMIT2).permitWitnessTransferFrom(
            _permitOf(task),
            ISignatureTransfer.SignatureTransferDetails({to: address(this), requestedAmount: amount}),
            task.payer,
            taskHash,
            MoneyTypes.TASK_WITNESS_TYPE_STRING,
            signature
        );
    }

    /// @dev Takes `amount` of what the payer signed as x402's `upto` for the facilitator's entry.
    function _pullUpto(
        Task calldata task,
        uint256 amount,
        address facilitator,
        uint256 validAfter,
        bytes calldata signature,
        address submitter
    ) private receives(amount) {
        address entry = entryOf(facilitator);
        if (entry.code.length == 0) revert NoEntry(facilitator);
        IFacilitatorEntry(entry).pull(
            submitter,
            _permitOf(task),
            amount,
            task.payer,
            IX402UptoPermit2Proxy.Witness({to: address(this), facilitator: entry, validAfter: validAfter}),
            signature
        );
    }

    function _giveBack(bytes32 taskId, address payer, Lock storage lock) private {
        uint128 amount = lock.amount;
        _close(lock);
        emit TaskRefunded(taskId, payer, amount);
        IERC20(TOKEN).safeTransfer(payer, amount);
    }

    function _close(Lock storage lock) private {
        (lock.amount, lock.deadline, lock.status) = (0, 0, Status.Closed);
    }

    /// @dev What the payer permits: all of it follows from the task, whatever the submitter says.
    function _permitOf(Task calldata task) private view returns (ISignatureTransfer.PermitTransferFrom memory) {
        return
            ISignatureTransfer.PermitTransferFrom({
                permitted: ISignatureTransfer.TokenPermissions({token: TOKEN, amount: task.maxAmount}),
                nonce: task.nonce,
                deadline: task.deadline + SETTLE_WINDOW_SECONDS
            });
    }

    function _requireThatTask(bytes32 taskId, Task calldata task) private view returns (bytes32 taskHash) {
        taskHash = MoneyTypes.hashTask(task);
        bytes32 actualId = _hashTypedDataV4(taskHash);
        if (taskId != actualId) revert NotThatTask(taskId, actualId);
    }

    function _checkCapturable(Task calldata task, uint256 amount) private view {
        _checkWindow(task.deadline);
        _checkNotTooFar(task.deadline);
        if (task.payer.code.length != 0) revert PayerHasCode(task.payer);
        if (amount > task.maxAmount) revert ChargeAboveMaximum(amount, task.maxAmount);
    }

    function _checkNotTooFar(uint40 deadline) private view {
        uint256 latest = block.timestamp + MAX_TASK_SECONDS;
        if (deadline > latest) revert DeadlineTooFar(deadline, latest);
    }

    function _checkWindow(uint40 deadline) private view {
        uint256 closedAt = deadline + SETTLE_WINDOW_SECONDS;
        if (block.timestamp > closedAt) revert WindowClosed(closedAt);
    }

    function _settleableLock(bytes32 taskId) private view returns (Lock storage lock) {
        lock = _openLock(taskId);
        _checkWindow(lock.deadline);
    }

    function _openLock(bytes32 taskId) private view returns (Lock storage lock) {
        lock = _locks[taskId];
        if (lock.status != Status.Open) revert TaskNotOpen(taskId, lock.status);
    }
}
