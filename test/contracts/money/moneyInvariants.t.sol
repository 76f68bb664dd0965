// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ITaskEscrow, Task} from "../../../contracts/interfaces/ITaskEscrow.sol";
import {AccountChecks} from "./AccountChecks.sol";
import {MoneyHandler} from "./MoneyHandler.sol";
import {IEscrow} from "./MoneyWorld.sol";
import {NetworkHandler} from "./NetworkHandler.sol";
import {deploy, VM} from "./Vm.sol";

/// @notice What holds after any sequence of steps, see docs/invariants.md. Every invariant function has the handler take the same
/// steps once more, so that there are no more of them than needed; what failed is told by its message.
contract MoneyInvariants is AccountChecks {
    MoneyHandler private handler;

    function setUp() external {
        handler = MoneyHandler(deploy("MoneyHandler.sol:MoneyHandler", ""));
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @notice From here nobody is owed what is not there, and nothing happened that must not.
    function invariant_books() external view {
        address[] memory holders = new address[](handler.HOLDERS());
        for (uint256 i = 0; i < holders.length; ++i) holders[i] = handler.holders(i);
        (uint256[] memory locked, uint256 total) = _lockedBy(holders);
        _requireSolvency(total);
        _requireIsolation(holders, locked);
        _requireOnce();
        _checkAccounts(handler);
        _requireUnbroken(handler, NetworkHandler.Broken.Conservation, "a step lost or made money");
        _requireUnbroken(handler, NetworkHandler.Broken.Authority, "something was paid that nobody signed");
        _requireUnbroken(handler, NetworkHandler.Broken.Once, "something happened twice");
        _requireUnbroken(handler, NetworkHandler.Broken.Exit, "a withdrawal was refused");
        _requireUnbroken(handler, NetworkHandler.Broken.Isolation, "somebody reached or blocked another's money");
        _requireUnbroken(handler, NetworkHandler.Broken.Windows, "a task ended outside its window, or did not inside");
        _requireUnbroken(handler, NetworkHandler.Broken.Certificates, "a certificate held for something else");
        _requireUnbroken(handler, NetworkHandler.Broken.Work, "a batch cost more than its input explains");
        _requireUnbroken(handler, NetworkHandler.Broken.Whole, "a batch was settled in part");
        _requireUnbroken(handler, NetworkHandler.Broken.Governance, "governance changed a balance");
        _requireUnbroken(handler, NetworkHandler.Broken.Entries, "an entry and the pause do not agree");
    }

    /// @notice From here, paused or not, payers get all back that they were not charged, and need nobody for it.
    function invariant_exit() external {
        IEscrow escrow = handler.ESCROW();
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

    /// @dev The escrow holds exactly what is in accounts, locked, pooled and earned.
    function _requireSolvency(uint256 locked) private view {
        uint256 owed = _owedBy(handler) + locked;
        require(handler.TOKEN().balanceOf(address(handler.ESCROW())) == owed, "held is not what is owed");
    }

    /// @dev A batch follows the one before.
    function _requireOnce() private view {
        for (uint256 i = 0; i < handler.FACILITATORS(); ++i) {
            address desk = handler.facilitator(i);
            require(handler.SETTLEMENT().heads(desk) == handler.headOf(desk), "a head is not the last batch");
        }
    }

    /// @dev Nothing but settlements of the payer's own tasks and vouchers lowers what the payer has, has locked and has in
    /// accounts.
    function _requireIsolation(address[] memory holders, uint256[] memory locked) private view {
        for (uint256 i = 0; i < holders.length; ++i) {
            uint256 owned = handler.TOKEN().balanceOf(holders[i]) + _inAccounts(holders[i]) + locked[i];
            require(owned == handler.unspentOf(holders[i]), "a payer lost money");
        }
    }

    /// @dev What tasks have locked, by payer and in all.
    function _lockedBy(address[] memory holders) private view returns (uint256[] memory locked, uint256 total) {
        locked = new uint256[](holders.length);
        for (uint256 i = 0; i < handler.taskCount(); ++i) {
            Task memory task = handler.taskAt(i);
            uint256 amount = _locked(task);
            total += amount;
            for (uint256 j = 0; j < holders.length; ++j) if (holders[j] == task.payer) locked[j] += amount;
        }
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
