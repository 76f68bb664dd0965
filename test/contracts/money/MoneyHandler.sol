// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Certificate, ISettlement, Result} from "../../../contracts/interfaces/ISettlement.sol";
import {ISignatureTransfer} from "@uniswap/v4-periphery/lib/permit2/src/interfaces/ISignatureTransfer.sol";
import {ICustody} from "../../../contracts/interfaces/ICustody.sol";
import {IFacilitatorEntry} from "../../../contracts/interfaces/IFacilitatorEntry.sol";
import {ITaskEscrow, Payment, Task} from "../../../contracts/interfaces/ITaskEscrow.sol";
import {IVerifierSet} from "../../../contracts/interfaces/IVerifierSet.sol";
import {IX402UptoPermit2Proxy} from "../../../contracts/interfaces/IX402UptoPermit2Proxy.sol";
import {MoneyWorld} from "./MoneyWorld.sol";
import {VM} from "./Vm.sol";

/// @notice Does at random what people do with the money contracts, and knows of each step whether it had to succeed.
/// What came out otherwise is remembered under the invariant it breaks.
contract MoneyHandler is MoneyWorld {
    enum Broken {
        Nothing,
        Conservation,
        Authority,
        Once,
        Isolation,
        Windows,
        Governance,
        Entries
    }

    mapping(Broken invariant => uint256 times) public broken;
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

    /// @notice Hands over to another set, lets its grace pass or not, and tries to close an epoch.
    function turnEpoch(uint256 start, uint256 counted, bool withCertificate) external {
        _handOver(start);
        if (start % 4 != 0) return;
        VM.warp(block.timestamp + GRACE_SECONDS + 1);
        _closeEpoch(uint64(1 + (counted % VERIFIER_SET.currentEpoch())), counted, withCertificate);
        _closeEpoch(VERIFIER_SET.currentEpoch() - 1, counted, true);
    }

    function govern(uint256 verifierBps, uint256 treasuryBps) external {
        uint256 held = TOKEN.balanceOf(address(ESCROW));
        uint256 earned = _totalEarnings();
        SETTLEMENT.setFees(verifierBps % 2_001, treasuryBps % 1_001);
        ESCROW.setEntriesPaused(verifierBps % 4 == 0);
        _expect(TOKEN.balanceOf(address(ESCROW)) == held && _totalEarnings() == earned, Broken.Governance);
    }

    function pass(uint256 time) external {
        VM.warp(block.timestamp + (time % MAX_TASK_SECONDS) / 4);
    }

    /// @notice What nobody must gain from, and what anybody may do for another.
    function bother(uint256 which, uint256 amount) external {
        _withdraw(which);
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

    function _withdraw(uint256 who) private {
        address account = earner(who);
        uint256 earned = ESCROW.earnings(account);
        uint256 held = TOKEN.balanceOf(account);
        bool withdrawn = _succeeds(address(ESCROW), abi.encodeCall(ICustody.withdraw, (account)));
        _expect(withdrawn == (earned > 0), Broken.Isolation);
        _expect(TOKEN.balanceOf(account) == held + earned, Broken.Conservation);
    }

    function _handOver(uint256 start) private {
        (uint256[] memory keys, address[] memory members) = _set(start);
        uint40 validUntil = uint40(block.timestamp);
        VERIFIER_SET.handover(members, THRESHOLD, validUntil, _signHandover(members, validUntil));
        epochKeys[VERIFIER_SET.currentEpoch()] = keys;
    }

    function _closeEpoch(uint64 epoch, uint256 counted, bool withCertificate) private {
        ISettlement.Pool memory pool = SETTLEMENT.pools(epoch);
        uint256 members = withCertificate ? epochKeys[epoch].length : 0;
        address[] memory verifiers = new address[](members);
        uint64[] memory counts = new uint64[](members);
        for (uint256 i = 0; i < members; ++i) {
            verifiers[i] = VM.addr(epochKeys[epoch][i]);
            counts[i] = uint64((counted >> (8 * i)) % (uint256(pool.settledTasks) + 1));
        }
        uint256 earned = _totalEarnings();
        bytes memory signatures = withCertificate ? _signCounts(epoch, verifiers, counts) : bytes("");
        bytes memory call = abi.encodeCall(ISettlement.closeEpoch, (epoch, verifiers, counts, signatures));
        bool closed = _succeeds(address(SETTLEMENT), call);
        _expect(!closed || (pool.settledTasks > 0 && !_isAccepted(epoch)), Broken.Once);
        uint256 divided = closed ? uint256(pool.verifierAmount) + pool.treasuryAmount : 0;
        _expect(_totalEarnings() == earned + divided, Broken.Conservation);
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
        ISignatureTransfer.PermitTransferFrom memory permit = ISignatureTransfer.PermitTransferFrom({
            permitted: ISignatureTransfer.TokenPermissions({token: address(TOKEN), amount: task.maxAmount}),
            nonce: task.nonce,
            deadline: task.deadline + SETTLE_WINDOW_SECONDS
        });
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

        bytes memory signature = _sign(_keyOf(task.node), SETTLEMENT.resultHashOf(result));
        done = _succeeds(
            address(SETTLEMENT),
            abi.encodeCall(ISettlement.capture, (task, result, signature, _certify(result, epoch, true), payment))
        );
        _expect(!done || !tooMuch, Broken.Authority);
        _expect(!done || isOpen || isNew, Broken.Once);
        _expect(!done || inWindow, Broken.Windows);
        _expect(done || !((isOpen || isNew) && inWindow && !tooMuch && _isAccepted(epoch)), Broken.Windows);
        if (!done || tooMuch) return done;
        if (isNew) captured[result.taskId] = true;
        uint256 locked = isNew ? 0 : task.maxAmount;
        _checkSplit(task.payer, result.amount, locked, before, _holdings(task.payer, result.payout, epoch));
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
        _expect(settled || !(isOpen && inWindow && !tooMuch && _isAccepted(epoch)), Broken.Windows);
        if (!settled || tooMuch) return;
        uint256[4] memory afterwards = _holdings(task.payer, result.payout, epoch);
        _checkSplit(task.payer, result.amount, task.maxAmount, before, afterwards);
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
        address from,
        uint256 amount,
        uint256 locked,
        uint256[4] memory before,
        uint256[4] memory afterwards
    ) private {
        _expect(before[0] + amount == afterwards[0] + locked, Broken.Conservation);
        _expect(before[1] + locked == afterwards[1] + amount, Broken.Conservation);
        uint256 credited = (afterwards[2] - before[2]) + (afterwards[3] - before[3]);
        _expect(credited == amount, Broken.Conservation);
        charged[from] += amount;
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

    function _epoch(bool previous) private view returns (uint64 epoch) {
        epoch = VERIFIER_SET.currentEpoch();
        if (previous && epoch > 1) --epoch;
    }

    function _isAccepted(uint64 epoch) private view returns (bool) {
        IVerifierSet.Epoch memory record = VERIFIER_SET.epochs(epoch);
        return record.endedAt == 0 || block.timestamp <= record.endedAt + GRACE_SECONDS;
    }

    function _totalEarnings() private view returns (uint256 total) {
        for (uint256 i = 0; i < earners(); ++i) total += ESCROW.earnings(earner(i));
    }

    function _succeeds(address target, bytes memory call) private returns (bool success) {
        (success, ) = target.call(call);
    }

    function _expect(bool holds, Broken invariant) private {
        if (!holds) ++broken[invariant];
    }
}
