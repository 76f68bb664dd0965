// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Certificate, ISettlement, Result} from "../../../contracts/interfaces/ISettlement.sol";
import {ISignatureTransfer} from "@uniswap/v4-periphery/lib/permit2/src/interfaces/ISignatureTransfer.sol";
import {ICustody} from "../../../contracts/interfaces/ICustody.sol";
import {IFacilitatorEntry} from "../../../contracts/interfaces/IFacilitatorEntry.sol";
import {ITaskEscrow, Payment, Task} from "../../../contracts/interfaces/ITaskEscrow.sol";
import {IX402UptoPermit2Proxy} from "../../../contracts/interfaces/IX402UptoPermit2Proxy.sol";
import {NetworkHandler} from "./NetworkHandler.sol";
import {VM} from "./Vm.sol";

/// @notice Single tasks: opens, settles, captures, refuses and refunds them, and tries what thieves try.
abstract contract TaskHandler is NetworkHandler {
    /// @notice What a payer was charged by settlements of tasks that the payer signed.
    mapping(address account => uint256 amount) public charged;
    Task[] internal tasks;
    Payment[] internal payments;
    /// @dev Taken straight from the payer, by one capture.
    mapping(bytes32 taskId => bool) internal captured;

    function open(uint256 amount, uint256 secondsAhead) external {
        for (uint256 i = 0; i < PAYERS; ++i) _open(i, uint256(keccak256(abi.encode(amount, i))), secondsAhead);
    }

    function settle(uint256 which, uint256 amount, bool underPreviousEpoch) external {
        if (tasks.length == 0) return;
        _settle(which, uint256(keccak256(abi.encode(amount))), underPreviousEpoch);
        _settle(which / 4, amount, !underPreviousEpoch);
    }

    /// @notice Captures a task that was never opened, then the same again or another, sometimes for nothing.
    function capture(uint256 which, uint256 amount, bool underPreviousEpoch) external {
        uint256 seed = uint256(keccak256(abi.encode(amount)));
        uint256 charge = which % 8 == 5 ? 0 : seed >> 8;
        (Task memory task, Payment memory payment) = _newTask(which, seed, amount, which % 8 == 7);
        if (_capture(task, payment, charge, underPreviousEpoch, false)) _remember(task, payment);
        if (tasks.length == 0) return;
        uint256 index = which % 2 == 1 ? tasks.length - 1 : (which / 8) % tasks.length;
        _capture(tasks[index], payments[index], charge, false, which % 4 == 3);
    }

    /// @notice Asks for money back: at once under refusals, or without them once the window is over.
    function giveBack(uint256 which) external {
        if (tasks.length == 0) return;
        Task memory task = _pick(which);
        Result memory result = _result(task, 0);
        bool isOpen = _isOpen(result.taskId);
        bool inWindow = block.timestamp <= task.deadline + SETTLE_WINDOW_SECONDS;
        _expectRefund(task, address(ESCROW), abi.encodeCall(ITaskEscrow.refund, (task)), isOpen, !inWindow);
        if (which % 2 == 0) return;
        Certificate memory refusals = _certify(result, VERIFIER_SET.currentEpoch(), false);
        bytes memory call = abi.encodeCall(ISettlement.refuse, (task, result, refusals));
        _expectRefund(task, address(SETTLEMENT), call, isOpen, inWindow);
    }

    /// @notice What nobody must gain from, and what anybody may do for another.
    function bother(uint256 which, uint256 amount) external {
        _misuseUpto(which, amount);
        if (tasks.length == 0) return;
        _replayPayment(which);
        _steal(which, amount);
    }

    function taskCount() external view returns (uint256) {
        return tasks.length;
    }

    function taskAt(uint256 index) external view returns (Task memory) {
        return tasks[index];
    }

    function _replayPayment(uint256 which) private {
        uint256 index = which % tasks.length;
        _expect(!_succeeds(address(ESCROW), _openCall(tasks[index], payments[index])), Broken.Once);
    }

    function _steal(uint256 which, uint256 amount) private {
        Task memory task = tasks[which % tasks.length];
        bytes32 taskId = ESCROW.taskIdOf(task);
        uint128 part = uint128(1 + (amount % task.maxAmount));
        address[] memory thieves = new address[](1);
        uint256[] memory amounts = new uint256[](1);
        (thieves[0], amounts[0]) = (address(this), part);
        Payment memory payment = payments[which % tasks.length];
        bytes[5] memory attempts = [
            abi.encodeCall(ITaskEscrow.charge, (taskId, task, address(this), part, 0)),
            abi.encodeCall(ITaskEscrow.capture, (taskId, task, address(this), part, 0, payment, address(this))),
            abi.encodeCall(ITaskEscrow.refuse, (taskId, task)),
            abi.encodeCall(ICustody.credit, (thieves, amounts)),
            ""
        ];
        task.nonce = tasks.length;
        attempts[4] = _openCall(task, _payByWitness(uint256(keccak256("thief")), task));
        for (uint256 i = 0; i < attempts.length; ++i) {
            _expect(!_succeeds(address(ESCROW), attempts[i]), Broken.Isolation);
        }
    }

    /// @dev An authorization for a task: worth nothing to a stranger, and to the facilitator only at the escrow's doors.
    function _misuseUpto(uint256 which, uint256 amount) private {
        uint256 key = payerKeys[which % PAYERS];
        (Task memory task, ) = _newTask(which, amount, 0, false);
        Payment memory payment = _payByUpto(key, task);
        ISignatureTransfer.PermitTransferFrom memory permit = _permitOf(task);
        IX402UptoPermit2Proxy.Witness memory witness = IX402UptoPermit2Proxy.Witness({
            to: address(ESCROW),
            facilitator: ENTRY,
            validAfter: payment.validAfter
        });
        bytes memory call = abi.encodeCall(
            IX402UptoPermit2Proxy.settle,
            (permit, task.maxAmount, task.payer, witness, payment.signature)
        );
        _expect(!_succeeds(address(PROXY), call), Broken.Isolation);
        _expect(!_succeeds(ENTRY, call), Broken.Isolation);
        call = abi.encodeCall(
            IFacilitatorEntry.pull,
            (address(this), permit, task.maxAmount, task.payer, witness, payment.signature)
        );
        _expect(!_succeeds(ENTRY, call), Broken.Isolation);
        VM.prank(address(0xBAD));
        _expect(!_succeeds(address(ESCROW), _openCall(task, payment)), Broken.Isolation);
    }

    function _open(uint256 who, uint256 amount, uint256 secondsAhead) private {
        (Task memory task, Payment memory payment) = _newTask(who, amount, secondsAhead, false);
        bool paused = ESCROW.entriesPaused();
        bool opened = _succeeds(address(ESCROW), _openCall(task, payment));
        _expect(opened == !paused, Broken.Entries);
        if (opened) _remember(task, payment);
    }

    function _remember(Task memory task, Payment memory payment) private {
        tasks.push(task);
        payments.push(payment);
    }

    /// @dev Half of the payers are stock clients.
    function _newTask(
        uint256 who,
        uint256 amount,
        uint256 secondsAhead,
        bool endless
    ) private view returns (Task memory task, Payment memory payment) {
        uint256 key = payerKeys[who % PAYERS];
        uint256 deadline = block.timestamp + MAX_TASK_SECONDS - (secondsAhead % (MAX_TASK_SECONDS + 1));
        task = Task({
            payer: VM.addr(key),
            node: VM.addr(nodeKeys[amount % NODES]),
            model: keccak256("model"),
            request: keccak256("request"),
            policy: 0,
            maxAmount: uint128(1 + (amount % 1e22)),
            deadline: uint40(endless ? deadline + MAX_TASK_SECONDS + 1 : deadline),
            nonce: tasks.length
        });
        payment = (amount / 2) % 2 == 0 ? _payByWitness(key, task) : _payByUpto(key, task);
    }

    function _capture(
        Task memory task,
        Payment memory payment,
        uint256 amount,
        bool underPreviousEpoch,
        bool tooMuch
    ) private returns (bool done) {
        Result memory result = _result(task, tooMuch ? task.maxAmount + 1 : amount % (uint256(task.maxAmount) + 1));
        uint64 epoch = _epoch(underPreviousEpoch);
        bool isOpen = _isOpen(result.taskId);
        bool isNew = ESCROW.locks(result.taskId).status == ITaskEscrow.Status.None && !captured[result.taskId];
        bool inWindow =
            block.timestamp <= task.deadline + SETTLE_WINDOW_SECONDS &&
                (isOpen || task.deadline <= block.timestamp + MAX_TASK_SECONDS);
        uint256[4] memory before = _holdings(task.payer, result.payout, epoch);

        done = _submitCapture(task, result, epoch, payment);
        _expect(!done || !tooMuch, Broken.Authority);
        _expect(!done || isOpen || isNew, Broken.Once);
        _expect(!done || inWindow, Broken.Windows);
        _expect(!done || _isAccepted(epoch), Broken.Certificates);
        _expect(done || !((isOpen || isNew) && inWindow && !tooMuch && _isAccepted(epoch)), Broken.Windows);
        if (!done || tooMuch) return done;
        if (isNew) captured[result.taskId] = true;
        _checkSplit(task, result, isNew ? 0 : task.maxAmount, epoch, before);
    }

    function _submitCapture(
        Task memory task,
        Result memory result,
        uint64 epoch,
        Payment memory payment
    ) private returns (bool) {
        bytes memory signature = _sign(_keyOf(task.node), SETTLEMENT.resultHashOf(result));
        return
            _succeeds(
                address(SETTLEMENT),
                abi.encodeCall(ISettlement.capture, (task, result, signature, _certify(result, epoch, true), payment))
            );
    }

    function _settle(uint256 which, uint256 amount, bool underPreviousEpoch) private {
        Task memory task = _pick(which);
        bool tooMuch = which % 4 == 3;
        Result memory result = _result(task, tooMuch ? task.maxAmount + 1 : amount % (uint256(task.maxAmount) + 1));
        uint64 epoch = _epoch(underPreviousEpoch);
        bool isOpen = _isOpen(result.taskId);
        bool inWindow = block.timestamp <= task.deadline + SETTLE_WINDOW_SECONDS;
        uint256[4] memory before = _holdings(task.payer, result.payout, epoch);

        bytes memory call = abi.encodeCall(
            ISettlement.settle,
            (task, result, _sign(_keyOf(task.node), SETTLEMENT.resultHashOf(result)), _certify(result, epoch, true))
        );
        bool settled = _succeeds(address(SETTLEMENT), call);
        _expect(!settled || !tooMuch, Broken.Authority);
        _expect(!settled || isOpen, Broken.Once);
        _expect(!settled || inWindow, Broken.Windows);
        _expect(!settled || _isAccepted(epoch), Broken.Certificates);
        _expect(settled || !(isOpen && inWindow && !tooMuch && _isAccepted(epoch)), Broken.Windows);
        if (!settled || tooMuch) return;
        _checkSplit(task, result, task.maxAmount, epoch, before);
    }

    function _expectRefund(Task memory task, address target, bytes memory call, bool isOpen, bool inTime) private {
        uint256 held = TOKEN.balanceOf(task.payer);
        bool refunded = _succeeds(target, call);
        _expect(!refunded || isOpen, Broken.Once);
        _expect(!refunded || inTime, Broken.Windows);
        _expect(refunded || !(isOpen && inTime), Broken.Windows);
        _expect(TOKEN.balanceOf(task.payer) == held + (refunded ? task.maxAmount : 0), Broken.Conservation);
    }

    /// @dev What was locked leaves the escrow but for the charge; where nothing was, the charge comes in.
    function _checkSplit(
        Task memory task,
        Result memory result,
        uint256 locked,
        uint64 epoch,
        uint256[4] memory before
    ) private {
        uint256[4] memory afterwards = _holdings(task.payer, result.payout, epoch);
        uint256 amount = result.amount;
        _expect(before[0] + amount == afterwards[0] + locked, Broken.Conservation);
        _expect(before[1] + locked == afterwards[1] + amount, Broken.Conservation);
        uint256 credited = (afterwards[2] - before[2]) + (afterwards[3] - before[3]);
        _expect(credited == amount, Broken.Conservation);
        charged[task.payer] += amount;
    }

    /// @dev Tokens of escrow and payer, earnings of the payout, and the pool of the epoch.
    function _holdings(address from, address to, uint64 epoch) private view returns (uint256[4] memory) {
        ISettlement.Pool memory pool = SETTLEMENT.pools(epoch);
        uint256 pooled = uint256(pool.verifierAmount) + pool.treasuryAmount;
        return [TOKEN.balanceOf(address(ESCROW)), TOKEN.balanceOf(from), ESCROW.earnings(to), pooled];
    }

    function _result(Task memory task, uint256 amount) private view returns (Result memory) {
        return
            Result({
                taskId: ESCROW.taskIdOf(task),
                response: keccak256("response"),
                payout: payoutOf(uint160(task.node)),
                amount: uint128(amount),
                completedAt: block.timestamp < task.deadline ? uint40(block.timestamp) : task.deadline
            });
    }

    /// @dev Three times of four an open task, if there is one: closed ones have little left to happen to them.
    function _pick(uint256 which) private view returns (Task memory task) {
        uint256 start = which / 4;
        for (uint256 i = 0; i < tasks.length; ++i) {
            task = tasks[(start + i) % tasks.length];
            if (which % 4 == 0 || _isOpen(ESCROW.taskIdOf(task))) return task;
        }
    }

    function _keyOf(address node) private view returns (uint256) {
        return VM.addr(nodeKeys[0]) == node ? nodeKeys[0] : nodeKeys[1];
    }

    function _isOpen(bytes32 taskId) private view returns (bool) {
        return ESCROW.locks(taskId).status == ITaskEscrow.Status.Open;
    }

    function _openCall(Task memory task, Payment memory payment) private pure returns (bytes memory) {
        if (payment.facilitator == address(0)) return abi.encodeCall(ITaskEscrow.open, (task, payment.signature));
        return abi.encodeCall(ITaskEscrow.openUpto, (task, payment.facilitator, payment.validAfter, payment.signature));
    }
}
