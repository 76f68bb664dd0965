// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title Custody of one token
/// @notice What everything that holds money here shares: the one immutable token, the pause of entries, and earnings that
/// wait until they are pulled.
/// @custom:warning The token is assumed to move exactly the amount that is asked for; a transfer that brings less reverts.
/// A payer or recipient whom the token itself refuses to pay (a blocklist) can hold up their own money only.
interface ICustody {
    /// @notice `amount` was added to what `account` may withdraw: a node's pay by a batch, a share of a pool, or a rest that
    /// the token refused to pay back. A node's pay by a single task is told by `TaskCharged`.
    event Earned(address indexed account, uint256 amount);
    /// @notice Earnings left the contract.
    event Withdrawn(address indexed account, uint256 amount);
    /// @notice Governance stopped or resumed entries.
    event EntriesPausedSet(bool paused);

    error EntriesPaused();
    error ZeroAmount();
    error TransferMismatch(uint256 received, uint256 expected);
    error OnlySettlement(address caller);
    error NothingToWithdraw(address account);

    /// @notice Credits `amounts` to `accounts`, out of the pools or of what was debited. Only `SETTLEMENT`, which accounts for
    /// both.
    function credit(address[] calldata accounts, uint256[] calldata amounts) external;

    /// @notice Pays what `account` has earned, to `account`. Anyone may call it.
    function withdraw(address account) external returns (uint256 amount);

    /// @notice Governance stops or resumes what brings money in: `open`, `openUpto` and all deposits. Nothing else ever stops.
    function setEntriesPaused(bool paused) external;

    /// @notice What an account may withdraw.
    function earnings(address account) external view returns (uint256);
    /// @notice Whether entries are stopped.
    function entriesPaused() external view returns (bool);
    /// @notice The one token in custody.
    function TOKEN() external view returns (address);
    /// @notice Permit2, which checks what payers signed for it and uses up the nonce.
    function PERMIT2() external view returns (address);
    /// @notice The only contract that can charge or refuse a task, and debit an account.
    function SETTLEMENT() external view returns (address);
}
