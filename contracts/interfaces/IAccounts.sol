// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Share} from "../libraries/Share.sol";
import {ICustody} from "./ICustody.sol";

/// @notice What a batch takes from one account, and the voucher that allows it.
struct Debit {
    /// @dev Payer and amount.
    Share share;
    /// @dev Of `Voucher(payer, facilitator, cap)`; a lifetime ceiling, so any voucher that reaches far enough will do.
    uint96 cap;
    /// @dev The authorizer's signature over the voucher, compact as EIP-2098 has it.
    bytes32 r;
    bytes32 vs;
}

/// @title Prefunded accounts
/// @notice A payer funds an account at a facilitator once, then signs each call and no transaction. Only two things lower
/// an account: `SETTLEMENT`, within what the account's authorizer signed, and a withdrawal of the payer's that has waited
/// `WITHDRAW_DELAY_SECONDS`. There is no lock: a pending withdrawal can still be debited until it is finalized.
/// @dev Vouchers are signed in TaskEscrow's domain. `balance + spent` changes by deposits and withdrawals only.
/// @custom:warning A facilitator that colludes with a quorum of verifiers can take what the vouchers outstanding at it allow,
/// and no more: never above the highest cap signed for it, never from an account at another.
/// @custom:warning The authorizer is checked by `ecrecover` alone. A payer with code (EIP-1271, EIP-7702) whose own key cannot
/// sign, or should not, names an ordinary key with `setAuthorizer`.
interface IAccounts is ICustody {
    struct Account {
        uint96 balance;
        /// @dev Of its whole life; never falls.
        uint96 spent;
        /// @dev What the payer asked to withdraw; the balance may be less by the time it is finalized.
        uint96 withdrawing;
        /// @dev Seconds since 1970; 0 while nothing is being withdrawn.
        uint40 withdrawableAt;
    }

    /// @notice Whose signatures a voucher of an account may carry.
    struct Authorizers {
        address current;
        /// @dev Zero where none was ever replaced.
        address previous;
        /// @dev Last second in which the previous one still counts.
        uint40 previousUntil;
    }

    /// @notice `funder` put `amount` into the account.
    event Deposited(address indexed payer, address indexed facilitator, address indexed funder, uint256 amount);
    /// @notice The payer named another key; the one before counts until `previousUntil`.
    event AuthorizerSet(
        address indexed payer,
        address indexed facilitator,
        address authorizer,
        address previous,
        uint256 previousUntil
    );
    /// @notice The payer wants `amount` back from `withdrawableAt` on; 0 of both takes that back.
    event WithdrawalInitiated(
        address indexed payer,
        address indexed facilitator,
        uint256 amount,
        uint256 withdrawableAt
    );
    /// @notice The payer has `amount` back.
    event AccountWithdrawn(address indexed payer, address indexed facilitator, uint256 amount);
    /// @notice A batch took from accounts at `facilitator`: of whom how much, payers ascending.
    /// @dev One event for all of them: one for each would cost a batch 1,700 gas for every payer.
    event AccountsDebited(bytes32 indexed batchId, address indexed facilitator, Share[] debits);

    error ZeroPayer();
    error AuthorizerUnchanged(address authorizer);
    /// @dev Two keys may sign for an account at a time, not three.
    error AuthorizerReplacedBefore(uint256 previousUntil);
    error NothingWithdrawing(address payer, address facilitator);
    error WithdrawalTooEarly(uint256 withdrawableAt);
    error PayersNotAscending(address previous, address next);
    error CapExceeded(address payer, uint256 spent, uint256 amount, uint256 cap);
    error BalanceTooLow(address payer, uint256 balance, uint256 amount);
    error NotAuthorized(address payer, address signer);

    /// @notice Puts `amount` of the caller's, who has approved it, into the account of `payer` at `facilitator`.
    function deposit(address payer, address facilitator, uint96 amount) external;

    /// @notice Like `deposit`, with the caller's approval signed as EIP-2612 has it. A permit that somebody submitted before
    /// did its work, so that one which fails is no failure: what counts is the allowance.
    function depositWithPermit(
        address payer,
        address facilitator,
        uint96 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice Like `deposit`, from `owner`, whose Permit2 signature has `Deposit(payer, facilitator)` as its witness and this
    /// contract as its spender. Anyone may submit it.
    function depositWithPermit2(
        address owner,
        address payer,
        address facilitator,
        uint96 amount,
        uint256 nonce,
        uint256 deadline,
        bytes calldata signature
    ) external;

    /// @notice Like `deposit`, from `owner`, who signed the token's `ReceiveWithAuthorization` (ERC-3009) to this contract with
    /// the nonce `keccak256(abi.encode(payer, facilitator, salt))`. Anyone may submit it.
    function depositWithAuthorization(
        address owner,
        address payer,
        address facilitator,
        uint96 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 salt,
        bytes calldata signature
    ) external;

    /// @notice Names who signs vouchers and tasks for the caller's account at `facilitator`; zero stands for the caller
    /// itself. The one before counts for `WITHDRAW_DELAY_SECONDS` more, so that what was released under it can be settled,
    /// and cannot be replaced again meanwhile.
    function setAuthorizer(address facilitator, address authorizer) external;

    /// @notice Asks for `amount` of the caller's account at `facilitator`, in place of what was asked for before; 0 asks for
    /// nothing. It may exceed the balance: what is there is paid. The wait begins anew.
    function initiateWithdraw(address facilitator, uint96 amount) external;

    /// @notice Pays what `payer` asked for, or what is left of the account, to `payer`, after `WITHDRAW_DELAY_SECONDS`.
    /// Anyone may call it.
    function finalizeWithdraw(address payer, address facilitator) external returns (uint256 amount);

    /// @notice Takes each debit from its payer's account at `facilitator`, all of them or none. Only `SETTLEMENT`, which
    /// credits the sum to others.
    /// @param batchId for the event only
    /// @param debits payers ascending, each once
    /// @return digest `keccak256` over the shares, to be held against what was certified
    /// @return total sum of the amounts
    function debit(
        bytes32 batchId,
        address facilitator,
        Debit[] calldata debits
    ) external returns (bytes32 digest, uint256 total);

    /// @notice An account's books; all zero for one that never was.
    function accounts(address payer, address facilitator) external view returns (Account memory);
    /// @notice Who signs for an account: the payer, until another was named.
    function authorizers(address payer, address facilitator) external view returns (Authorizers memory);
    /// @notice How long a withdrawal waits, and how long a replaced authorizer still counts.
    function WITHDRAW_DELAY_SECONDS() external view returns (uint256);
}
