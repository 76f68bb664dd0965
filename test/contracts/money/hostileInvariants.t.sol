// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AccountChecks} from "./AccountChecks.sol";
import {HostileHandler} from "./HostileHandler.sol";
import {NetworkHandler} from "./NetworkHandler.sol";
import {deploy} from "./Vm.sol";

/// @notice What holds of accounts even if the token is hostile, see docs/invariants.md.
contract HostileInvariants is AccountChecks {
    HostileHandler private handler;

    function setUp() external {
        handler = HostileHandler(deploy("HostileHandler.sol:HostileHandler", ""));
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    /// @notice Solvency: what is owed is held, or the step that would have changed that was reverted.
    function invariant_covered() external view {
        uint256 held = handler.TOKEN().balanceOf(address(handler.ESCROW()));
        require(held >= _owedBy(handler), "less is held than is owed");
    }

    /// @notice Isolation: no token lowers an account, spends a voucher or reaches a head for somebody.
    function invariant_unreached() external view {
        require(handler.broken(NetworkHandler.Broken.Authority) == 0, "something was paid that nobody signed");
        require(handler.broken(NetworkHandler.Broken.Whole) == 0, "a batch was settled in part");
        _checkAccounts(handler);
    }
}
