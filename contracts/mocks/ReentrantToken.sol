// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A token that makes one call of somebody's choice in the middle of its next transfer
/// @notice Its code takes the place of OPG's in tests. Remembers how the call ended.
contract ReentrantToken is ERC20("Reentrant", "RE") {
    address private _target;
    bytes private _data;
    /// @notice Whether the call was made since the token was armed.
    bool public reentered;
    /// @notice Whether that call succeeded.
    bool public succeeded;
    /// @notice What it returned or reverted with.
    bytes public answer;

    /// @notice Names the call to make during the next transfer.
    function arm(address target, bytes calldata data) external {
        (_target, _data, reentered) = (target, data, false);
    }

    function _update(address from, address to, uint256 value) internal override {
        super._update(from, to, value);
        if (_target == address(0)) return;
        address target = _target;
        delete _target;
        succeeded = LowLevelCall.callNoReturn(target, _data);
        answer = LowLevelCall.returnData();
        reentered = true;
    }
}
