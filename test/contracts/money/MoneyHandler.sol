// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {BatchHandler} from "./BatchHandler.sol";
import {TaskHandler} from "./TaskHandler.sol";

/// @notice All that people do with the money contracts, in one world.
contract MoneyHandler is TaskHandler, BatchHandler {
    /// @notice All that a payer must have, somewhere, after what was charged and given.
    function unspentOf(address holder) external view returns (uint256) {
        (uint256 deposited, uint256 debited) = movedOf(holder);
        return PAYER_BALANCE + deposited - given[holder] - debited - charged[holder];
    }
}
