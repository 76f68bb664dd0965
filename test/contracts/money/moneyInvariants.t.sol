// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ITaskEscrow, Task} from "../../../contracts/interfaces/ITaskEscrow.sol";
import {TaskEscrow} from "../../../contracts/money/TaskEscrow.sol";
import {AccountChecks} from "./AccountChecks.sol";
import {MoneyHandler} from "./MoneyHandler.sol";
import {NetworkHandler} from "./NetworkHandler.sol";
import {deploy, VM} from "./Vm.sol";

/// @notice What holds after any sequence of steps, see docs/invariants.md.
contract MoneyInvariants is AccountChecks {
    MoneyHandler private handler;

    function setUp() external {
        handler = MoneyHandler(deploy("MoneyHandler.sol:MoneyHandler", ""));
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @notice Solvency: the escrow holds exactly what is in accounts, locked, pooled and earned.
    function invariant_solvency() external view {
        uint256 owed = _owedBy(handler);
        for (uint256 i = 0; i < handler.taskCount(); ++i) owed += _locked(handler.taskAt(i));
        require(handler.TOKEN().balanceOf(address(handler.ESCROW())) == owed, "held is not what is owed");
    }

    /// @notice Conservation: every step debits exactly what it credits.
    function invariant_conservation() external view {
        require(handler.broken(NetworkHandler.Broken.Conservation) == 0, "a step lost or made money");
    }

    /// @notice Authority: no charge lies above what the payer signed, no account paid more than the highest voucher's cap.
    function invariant_authority() external view {
        require(handler.broken(NetworkHandler.Broken.Authority) == 0, "something was paid that nobody signed");
        for (uint256 i = 0; i < _accountsOf(handler); ++i) {
            (address holder, address desk) = _accountAt(handler, i);
            uint256 spent = handler.ESCROW().accounts(holder, desk).spent;
            require(spent <= handler.booksOf(holder, desk).cap, "an account paid more than its vouchers allow");
        }
    }

    /// @notice Once: a task goes from none to open to closed; a batch follows the one before; what was signed works once.
    function invariant_once() external view {
        require(handler.broken(NetworkHandler.Broken.Once) == 0, "something happened twice");
        for (uint256 i = 0; i < handler.FACILITATORS(); ++i) {
            address desk = handler.facilitator(i);
            require(handler.SETTLEMENT().heads(desk) == handler.headOf(desk), "a head is not the last batch");
        }
    }

    /// @notice Exit: from here, paused or not, payers get all back that they were not charged, and need nobody for it.
    function invariant_exit() external {
        require(handler.broken(NetworkHandler.Broken.Exit) == 0, "a withdrawal was refused");
        TaskEscrow escrow = handler.ESCROW();
        for (uint256 i = 0; i < _accountsOf(handler); ++i) {
            (address holder, address desk) = _accountAt(handler, i);
            VM.prank(holder);
            escrow.initiateWithdraw(desk, type(uint96).max);
        }
        VM.warp(block.timestamp + handler.MAX_TASK_SECONDS() + handler.SETTLE_WINDOW_SECONDS() + 1);
        for (uint256 i = 0; i < handler.taskCount(); ++i) {
            Task memory task = handler.taskAt(i);
            if (_locked(task) == 0) continue;
            VM.prank(task.payer);
            escrow.refund(task);
        }
        for (uint256 i = 0; i < _accountsOf(handler); ++i) {
            (address holder, address desk) = _accountAt(handler, i);
            VM.prank(holder);
            escrow.finalizeWithdraw(holder, desk);
        }
        for (uint256 i = 0; i < handler.HOLDERS(); ++i) {
            address holder = handler.holders(i);
            require(handler.TOKEN().balanceOf(holder) == handler.unspentOf(holder), "unspent money did not come back");
        }
    }

    /// @notice Isolation: nothing but settlements of the payer's own tasks and vouchers lowers what the payer has, has locked
    /// and has in accounts; each account is what its own payer, deposits and vouchers made it.
    function invariant_isolation() external view {
        require(handler.broken(NetworkHandler.Broken.Isolation) == 0, "somebody reached or blocked another's money");
        for (uint256 i = 0; i < handler.HOLDERS(); ++i) {
            address holder = handler.holders(i);
            uint256 owned = handler.TOKEN().balanceOf(holder) + _inAccounts(holder);
            for (uint256 j = 0; j < handler.taskCount(); ++j) {
                Task memory task = handler.taskAt(j);
                if (task.payer == holder) owned += _locked(task);
            }
            require(owned == handler.unspentOf(holder), "a payer lost money");
        }
        _checkAccounts(handler);
    }

    /// @notice Windows: a task can be settled or refused up to the end of its window, and refunded from then on.
    function invariant_windows() external view {
        require(
            handler.broken(NetworkHandler.Broken.Windows) == 0,
            "a task ended outside its window, or did not inside"
        );
    }

    /// @notice Certificates: none holds for another epoch, contract or content than it was made for.
    function invariant_certificates() external view {
        require(handler.broken(NetworkHandler.Broken.Certificates) == 0, "a certificate held for something else");
    }

    /// @notice Bounded work: a batch costs what its payers and payees cost, whatever happened before.
    function invariant_work() external view {
        require(handler.broken(NetworkHandler.Broken.Work) == 0, "a batch cost more than its input explains");
    }

    /// @notice All or nothing: a batch takes all that it says, or nothing.
    function invariant_batches() external view {
        require(handler.broken(NetworkHandler.Broken.Whole) == 0, "a batch was settled in part");
    }

    /// @notice Governance: pause and fees change no balance; the pause stops entries, all of them and nothing else.
    function invariant_governance() external view {
        require(handler.broken(NetworkHandler.Broken.Governance) == 0, "governance changed a balance");
        require(handler.broken(NetworkHandler.Broken.Entries) == 0, "an entry and the pause do not agree");
    }

    function _inAccounts(address holder) private view returns (uint256 total) {
        for (uint256 i = 0; i < handler.FACILITATORS(); ++i) {
            total += handler.ESCROW().accounts(holder, handler.facilitator(i)).balance;
        }
    }

    function _locked(Task memory task) private view returns (uint256) {
        ITaskEscrow.Lock memory lock = handler.ESCROW().locks(handler.ESCROW().taskIdOf(task));
        return lock.status == ITaskEscrow.Status.Open ? lock.amount : 0;
    }
}
