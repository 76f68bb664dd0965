// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A token that says it did what it was asked for, and moves nothing
/// @notice Its code takes the place of OPG's in tests.
contract LyingToken is ERC20("Lying", "LIE") {
    /// @notice Says so of every other call.
    fallback() external {}

    /// @notice Says that it moved `value`.
    function transferFrom(address, address, uint256) public pure override returns (bool) {
        return true;
    }
}
