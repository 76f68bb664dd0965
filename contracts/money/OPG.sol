// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";

/// @title The token that tasks are paid with
/// @notice 1,000,000,000 OPG of 18 decimals, minted once to `holder`. No owner, no further mint, no way to burn.
/// Approvals can be signed (EIP-2612), and so can transfers (EIP-3009).
contract OPG is ERC20, ERC20Permit, ERC3009 {
    constructor(address holder) ERC20("OPG", "OPG") ERC20Permit("OPG") {
        _mint(holder, 1_000_000_000e18);
    }
}
