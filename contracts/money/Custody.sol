// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ICustody} from "../interfaces/ICustody.sol";

/// @title Custody
/// @notice See ICustody.
abstract contract Custody is ICustody, AccessManaged {
    using SafeERC20 for IERC20;

    /// @inheritdoc ICustody
    address public immutable TOKEN;
    /// @inheritdoc ICustody
    address public immutable PERMIT2;
    /// @inheritdoc ICustody
    address public immutable SETTLEMENT;

    /// @inheritdoc ICustody
    bool public entriesPaused;
    /// @inheritdoc ICustody
    mapping(address account => uint256 amount) public earnings;

    modifier onlySettlement() {
        if (msg.sender != SETTLEMENT) revert OnlySettlement(msg.sender);
        _;
    }

    /// @dev What arrives while the function runs is what is booked, or nothing is.
    modifier receives(uint256 amount) {
        uint256 before = IERC20(TOKEN).balanceOf(address(this));
        _;
        uint256 received = IERC20(TOKEN).balanceOf(address(this)) - before;
        if (received != amount) revert TransferMismatch(received, amount);
    }

    /// @dev The deployer is the settlement contract.
    constructor(address token, address permit2, address authority) AccessManaged(authority) {
        TOKEN = token;
        PERMIT2 = permit2;
        SETTLEMENT = msg.sender;
    }

    /// @inheritdoc ICustody
    function credit(address[] calldata accounts, uint256[] calldata amounts) external onlySettlement {
        for (uint256 i = 0; i < accounts.length; ++i) _earn(accounts[i], amounts[i]);
    }

    /// @inheritdoc ICustody
    function withdraw(address account) external returns (uint256 amount) {
        amount = earnings[account];
        if (amount == 0) revert NothingToWithdraw(account);

        delete earnings[account];
        emit Withdrawn(account, amount);
        IERC20(TOKEN).safeTransfer(account, amount);
    }

    /// @inheritdoc ICustody
    function setEntriesPaused(bool paused) external restricted {
        entriesPaused = paused;
        emit EntriesPausedSet(paused);
    }

    function _earn(address account, uint256 amount) internal {
        if (amount == 0) return;
        earnings[account] += amount;
        emit Earned(account, amount);
    }

    function _checkEntry(uint256 amount) internal view {
        if (entriesPaused) revert EntriesPaused();
        if (amount == 0) revert ZeroAmount();
    }
}
