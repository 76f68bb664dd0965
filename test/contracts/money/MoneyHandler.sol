// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Certificate, ISettlement, Result} from "../../../contracts/interfaces/ISettlement.sol";
import {ITaskEscrow, Task} from "../../../contracts/interfaces/ITaskEscrow.sol";
import {IVerifierSet} from "../../../contracts/interfaces/IVerifierSet.sol";
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
    bytes[] internal payments;

    function open(uint256 amount, uint256 secondsAhead) external {
        for (uint256 i = 0; i < PAYERS; ++i) _open(i, uint256(keccak256(abi.encode(amount, i))), secondsAhead);
    }

    function settle(uint256 which, uint256 amount, bool underPreviousEpoch) external {
        if (tasks.length == 0) return;
        _settle(which, uint256(keccak256(abi.encode(amount))), underPreviousEpoch);
        _settle(which / 4, amount, !underPreviousEpoch);
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
        bool withdrawn = _succeeds(address(ESCROW), abi.encodeCall(ITaskEscrow.withdraw, (account)));
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
        bytes memory call = abi.encodeCall(ITaskEscrow.open, (tasks[index], payments[index]));
        _expect(!_succeeds(address(ESCROW), call), Broken.Once);
    }

    function _steal(uint256 which, uint256 amount) private {
        Task memory task = tasks[which % tasks.length];
        bytes32 taskId = ESCROW.taskIdOf(task);
        uint128 part = uint128(1 + (amount % task.maxAmount));
        address[] memory thieves = new address[](1);
        uint256[] memory amounts = new uint256[](1);
        (thieves[0], amounts[0]) = (address(this), part);
        bytes[4] memory attempts = [
            abi.encodeCall(ITaskEscrow.charge, (taskId, task, address(this), part, 0)),
            abi.encodeCall(ITaskEscrow.refuse, (taskId, task)),
            abi.encodeCall(ITaskEscrow.credit, (thieves, amounts)),
            ""
        ];
        task.nonce = tasks.length;
        attempts[3] = abi.encodeCall(ITaskEscrow.open, (task, _signPayment(uint256(keccak256("thief")), task)));
        for (uint256 i = 0; i < attempts.length; ++i) {
            _expect(!_succeeds(address(ESCROW), attempts[i]), Broken.Isolation);
        }
    }

    function _open(uint256 who, uint256 amount, uint256 secondsAhead) private {
        uint256 key = payerKeys[who];
        Task memory task = Task({
            payer: VM.addr(key),
            node: VM.addr(nodeKeys[amount % NODES]),
            model: keccak256("model"),
            request: keccak256("request"),
            policy: 0,
            maxAmount: uint128(1 + (amount % 1e22)),
            deadline: uint40(block.timestamp + MAX_TASK_SECONDS - (secondsAhead % (MAX_TASK_SECONDS + 1))),
            nonce: tasks.length
        });
        bytes memory payment = _signPayment(key, task);
        bool paused = ESCROW.entriesPaused();
        bool opened = _succeeds(address(ESCROW), abi.encodeCall(ITaskEscrow.open, (task, payment)));
        _expect(opened == !paused, Broken.Entries);
        if (!opened) return;
        tasks.push(task);
        payments.push(payment);
    }

    function _settle(uint256 which, uint256 amount, bool underPreviousEpoch) private {
        Task memory task = _pick(which);
        bool tooMuch = which % 4 == 3;
        Result memory result = _result(task, tooMuch ? task.maxAmount + 1 : amount % (uint256(task.maxAmount) + 1));
        uint64 epoch = VERIFIER_SET.currentEpoch();
        if (underPreviousEpoch && epoch > 1) --epoch;
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
        if (settled && !tooMuch) _checkSplit(task, result, before, _holdings(task.payer, result.payout, epoch));
    }

    function _expectRefund(Task memory task, address target, bytes memory call, bool isOpen, bool inTime) private {
        uint256 held = TOKEN.balanceOf(task.payer);
        bool refunded = _succeeds(target, call);
        _expect(!refunded || isOpen, Broken.Once);
        _expect(!refunded || inTime, Broken.Windows);
        _expect(refunded || !(isOpen && inTime), Broken.Windows);
        _expect(TOKEN.balanceOf(task.payer) == held + (refunded ? task.maxAmount : 0), Broken.Conservation);
    }

    function _checkSplit(
        Task memory task,
        Result memory result,
        uint256[4] memory before,
        uint256[4] memory afterwards
    ) private {
        uint256 rest = task.maxAmount - result.amount;
        _expect(before[0] - afterwards[0] == rest && afterwards[1] - before[1] == rest, Broken.Conservation);
        uint256 credited = (afterwards[2] - before[2]) + (afterwards[3] - before[3]);
        _expect(credited == result.amount, Broken.Conservation);
        charged[task.payer] += result.amount;
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
