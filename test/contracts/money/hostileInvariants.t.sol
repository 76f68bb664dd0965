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

    /// @notice What is owed is held, and no token lowers an account, spends a voucher or uses a signature twice: else the step
    /// was reverted.
    function invariant_hostile() external view {
        uint256 held = handler.TOKEN().balanceOf(address(handler.ESCROW()));
        require(held >= _owedBy(handler), "less is held than is owed");
        _checkAccounts(handler);
        _requireUnbroken(handler, NetworkHandler.Broken.Authority, "something was paid that nobody signed");
        _requireUnbroken(handler, NetworkHandler.Broken.Once, "something happened twice");
        _requireUnbroken(handler, NetworkHandler.Broken.Whole, "a batch was settled in part");
    }
}
