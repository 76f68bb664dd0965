// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ISettlement} from "../../../contracts/interfaces/ISettlement.sol";
import {ITaskEscrow, Task} from "../../../contracts/interfaces/ITaskEscrow.sol";
import {MoneyHandler} from "./MoneyHandler.sol";
import {VM} from "./Vm.sol";

/// @notice What holds after any sequence of steps, see docs/invariants.md.
contract MoneyInvariants {
    MoneyHandler private handler;

    function setUp() external {
        handler = new MoneyHandler();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @notice Solvency: the escrow holds exactly what is locked, pooled and earned.
    function invariant_solvency() external view {
        uint256 owed = 0;
        for (uint256 i = 0; i < handler.taskCount(); ++i) owed += _locked(handler.taskAt(i));
        for (uint256 i = 0; i < handler.earners(); ++i) owed += handler.ESCROW().earnings(handler.earner(i));
        for (uint64 epoch = 1; epoch <= handler.VERIFIER_SET().currentEpoch(); ++epoch) {
            ISettlement.Pool memory pool = handler.SETTLEMENT().pools(epoch);
            owed += uint256(pool.verifierAmount) + pool.treasuryAmount;
        }
        require(handler.TOKEN().balanceOf(address(handler.ESCROW())) == owed, "held is not what is owed");
    }

    /// @notice Conservation: every step debits exactly what it credits.
    function invariant_conservation() external view {
        require(handler.broken(MoneyHandler.Broken.Conservation) == 0, "a step lost or made money");
    }

    /// @notice Authority: no charge lies above what the payer signed.
    function invariant_authority() external view {
        require(handler.broken(MoneyHandler.Broken.Authority) == 0, "a charge above its ceiling");
    }

    /// @notice Once: a task goes from none to open to closed; what was signed works once.
    function invariant_once() external view {
        require(handler.broken(MoneyHandler.Broken.Once) == 0, "something happened twice");
    }

    /// @notice Exit: from here, paused or not, payers get all back that they were not charged, and need nobody for it.
    function invariant_exit() external {
        VM.warp(block.timestamp + handler.MAX_TASK_SECONDS() + handler.SETTLE_WINDOW_SECONDS() + 1);
        for (uint256 i = 0; i < handler.taskCount(); ++i) {
            Task memory task = handler.taskAt(i);
            if (_locked(task) > 0) handler.ESCROW().refund(task);
        }
        for (uint256 i = 0; i < 3; ++i) {
            address payer = handler.payer(i);
            uint256 unspent = handler.PAYER_BALANCE() - handler.charged(payer);
            require(handler.TOKEN().balanceOf(payer) == unspent, "unspent money did not come back");
        }
    }

    /// @notice Isolation: nothing but settlements of the payer's own tasks lowers what the payer has and has locked.
    function invariant_isolation() external view {
        require(handler.broken(MoneyHandler.Broken.Isolation) == 0, "somebody reached another's money");
        for (uint256 i = 0; i < 3; ++i) {
            address payer = handler.payer(i);
            uint256 owned = handler.TOKEN().balanceOf(payer);
            for (uint256 j = 0; j < handler.taskCount(); ++j) {
                Task memory task = handler.taskAt(j);
                if (task.payer == payer) owned += _locked(task);
            }
            require(owned == handler.PAYER_BALANCE() - handler.charged(payer), "a payer lost money");
        }
    }

    /// @notice Windows: a task can be settled or refused up to the end of its window, and refunded from then on.
    function invariant_windows() external view {
        require(handler.broken(MoneyHandler.Broken.Windows) == 0, "a task ended outside its window, or did not inside");
    }

    /// @notice Governance: pause and fees change no balance; the pause stops entries, all of them and nothing else.
    function invariant_governance() external view {
        require(handler.broken(MoneyHandler.Broken.Governance) == 0, "governance changed a balance");
        require(handler.broken(MoneyHandler.Broken.Entries) == 0, "an entry and the pause do not agree");
    }

    function _locked(Task memory task) private view returns (uint256) {
        ITaskEscrow.Lock memory lock = handler.ESCROW().locks(handler.ESCROW().taskIdOf(task));
        return lock.status == ITaskEscrow.Status.Open ? lock.amount : 0;
    }
}
