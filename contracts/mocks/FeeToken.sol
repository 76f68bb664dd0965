// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title A token that keeps a hundredth of every transfer
/// @notice Its code takes the place of OPG's in tests.
contract FeeToken is ERC20("Fee", "FEE") {
    function _update(address from, address to, uint256 value) internal override {
        uint256 fee = value / 100;
        super._update(from, address(0), fee);
        super._update(from, to, value - fee);
    }
}
