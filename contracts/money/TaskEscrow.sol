// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ISignatureTransfer} from "@uniswap/v4-periphery/lib/permit2/src/interfaces/ISignatureTransfer.sol";
import {ITaskEscrow, Task} from "../interfaces/ITaskEscrow.sol";
import {MoneyTypes} from "../libraries/MoneyTypes.sol";

/// @title TaskEscrow
/// @notice See ITaskEscrow.
contract TaskEscrow is ITaskEscrow, AccessManaged, EIP712 {
    using SafeERC20 for IERC20;

    /// @inheritdoc ITaskEscrow
    address public immutable TOKEN;
    /// @inheritdoc ITaskEscrow
    address public immutable PERMIT2;
    /// @inheritdoc ITaskEscrow
    address public immutable SETTLEMENT;
    /// @inheritdoc ITaskEscrow
    uint256 public immutable MAX_TASK_SECONDS;
    /// @inheritdoc ITaskEscrow
    uint256 public immutable SETTLE_WINDOW_SECONDS;

    /// @inheritdoc ITaskEscrow
    bool public entriesPaused;
    mapping(bytes32 taskId => Lock lock) private _locks;
    /// @inheritdoc ITaskEscrow
    mapping(address account => uint256 amount) public earnings;
    /// @inheritdoc ITaskEscrow
    mapping(address facilitator => bool registered) public isFacilitator;

    modifier onlySettlement() {
        if (msg.sender != SETTLEMENT) revert OnlySettlement(msg.sender);
        _;
    }

    /// @dev The deployer is the settlement contract.
    constructor(
        address token,
        address permit2,
        address authority,
        uint256 maxTaskSeconds,
        uint256 settleWindowSeconds
    ) AccessManaged(authority) EIP712("OPG TaskEscrow", "1") {
        TOKEN = token;
        PERMIT2 = permit2;
        SETTLEMENT = msg.sender;
        MAX_TASK_SECONDS = maxTaskSeconds;
        SETTLE_WINDOW_SECONDS = settleWindowSeconds;
    }

    /// @inheritdoc ITaskEscrow
    function open(Task calldata task, bytes calldata signature) external returns (bytes32 taskId) {
        if (entriesPaused) revert EntriesPaused();
        if (task.maxAmount == 0) revert ZeroAmount();
        if (block.timestamp > task.deadline) revert DeadlinePassed(task.deadline);
        uint256 latest = block.timestamp + MAX_TASK_SECONDS;
        if (task.deadline > latest) revert DeadlineTooFar(task.deadline, latest);
        bytes32 taskHash = MoneyTypes.hashTask(task);
        taskId = _hashTypedDataV4(taskHash);
        if (_locks[taskId].status != Status.None) revert TaskNotNew(taskId);

        _locks[taskId] = Lock({amount: task.maxAmount, deadline: task.deadline, status: Status.Open});
        emit TaskOpened(taskId, task.payer, task.node, task.model, task.maxAmount, task.deadline);
        _pull(task, taskHash, signature);
    }

    /// @inheritdoc ITaskEscrow
    function refund(Task calldata task) external {
        bytes32 taskId = taskIdOf(task);
        Lock memory lock = _openLock(taskId);
        uint256 closesAt = lock.deadline + SETTLE_WINDOW_SECONDS;
        if (block.timestamp <= closesAt) revert WindowStillOpen(closesAt);

        _giveBack(taskId, task.payer, lock.amount);
    }

    /// @inheritdoc ITaskEscrow
    function charge(
        bytes32 taskId,
        Task calldata task,
        address payout,
        uint128 nodeAmount,
        uint128 poolAmount
    ) external onlySettlement {
        uint128 locked = _settleableLock(taskId, task);
        uint256 amount = uint256(nodeAmount) + poolAmount;
        if (amount > locked) revert ChargeAboveMaximum(amount, locked);

        uint256 rest = locked - amount;
        _locks[taskId] = Lock({amount: 0, deadline: 0, status: Status.Closed});
        earnings[payout] += nodeAmount;
        emit TaskCharged(taskId, task.payer, payout, amount, nodeAmount, rest);
        // A payer whom the token refuses to pay must not keep the node from its pay: the rest then waits for them here.
        if (rest != 0 && !IERC20(TOKEN).trySafeTransfer(task.payer, rest)) _earn(task.payer, rest);
    }

    /// @inheritdoc ITaskEscrow
    function refuse(bytes32 taskId, Task calldata task) external onlySettlement {
        uint128 locked = _settleableLock(taskId, task);
        _giveBack(taskId, task.payer, locked);
    }

    /// @inheritdoc ITaskEscrow
    function credit(address[] calldata accounts, uint256[] calldata amounts) external onlySettlement {
        for (uint256 i = 0; i < accounts.length; ++i) _earn(accounts[i], amounts[i]);
    }

    /// @inheritdoc ITaskEscrow
    function withdraw(address account) external returns (uint256 amount) {
        amount = earnings[account];
        if (amount == 0) revert NothingToWithdraw(account);

        delete earnings[account];
        emit Withdrawn(account, amount);
        IERC20(TOKEN).safeTransfer(account, amount);
    }

    /// @inheritdoc ITaskEscrow
    function setFacilitator(address facilitator, bool registered) external restricted {
        isFacilitator[facilitator] = registered;
        emit FacilitatorSet(facilitator, registered);
    }

    /// @inheritdoc ITaskEscrow
    function setEntriesPaused(bool paused) external restricted {
        entriesPaused = paused;
        emit EntriesPausedSet(paused);
    }

    /// @inheritdoc ITaskEscrow
    function locks(bytes32 taskId) external view returns (Lock memory) {
        return _locks[taskId];
    }

    /// @inheritdoc ITaskEscrow
    function taskIdOf(Task calldata task) public view returns (bytes32) {
        return _hashTypedDataV4(MoneyTypes.hashTask(task));
    }

    function _pull(Task calldata task, bytes32 taskHash, bytes calldata signature) private {
        uint256 before = IERC20(TOKEN).balanceOf(address(this));
        ISignatureTransfer(PERMIT2).permitWitnessTransferFrom(
            ISignatureTransfer.PermitTransferFrom({
                permitted: ISignatureTransfer.TokenPermissions({token: TOKEN, amount: task.maxAmount}),
                nonce: task.nonce,
                deadline: task.deadline + SETTLE_WINDOW_SECONDS
            }),
            ISignatureTransfer.SignatureTransferDetails({to: address(this), requestedAmount: task.maxAmount}),
            task.payer,
            taskHash,
            MoneyTypes.TASK_WITNESS_TYPE_STRING,
            signature
        );
        uint256 received = IERC20(TOKEN).balanceOf(address(this)) - before;
        if (received != task.maxAmount) revert TransferMismatch(received, task.maxAmount);
    }

    function _giveBack(bytes32 taskId, address payer, uint128 amount) private {
        _locks[taskId] = Lock({amount: 0, deadline: 0, status: Status.Closed});
        emit TaskRefunded(taskId, payer, amount);
        IERC20(TOKEN).safeTransfer(payer, amount);
    }

    function _earn(address account, uint256 amount) private {
        if (amount == 0) return;
        earnings[account] += amount;
        emit Earned(account, amount);
    }

    function _settleableLock(bytes32 taskId, Task calldata task) private view returns (uint128 locked) {
        bytes32 actualId = taskIdOf(task);
        if (taskId != actualId) revert NotThatTask(taskId, actualId);
        Lock memory lock = _openLock(taskId);
        uint256 closedAt = lock.deadline + SETTLE_WINDOW_SECONDS;
        if (block.timestamp > closedAt) revert WindowClosed(closedAt);
        locked = lock.amount;
    }

    function _openLock(bytes32 taskId) private view returns (Lock memory lock) {
        lock = _locks[taskId];
        if (lock.status != Status.Open) revert TaskNotOpen(taskId, lock.status);
    }
}
