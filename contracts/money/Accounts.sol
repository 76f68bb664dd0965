// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC3009} from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {ISignatureTransfer} from "@uniswap/v4-periphery/lib/permit2/src/interfaces/ISignatureTransfer.sol";
import {Debit, IAccounts} from "../interfaces/IAccounts.sol";
import {MoneyTypes} from "../libraries/MoneyTypes.sol";
import {Custody} from "./Custody.sol";

/// @title Accounts
/// @notice See IAccounts.
abstract contract Accounts is IAccounts, Custody, EIP712 {
    using SafeERC20 for IERC20;

    /// @dev One slot: all that a debit reads and writes where the payer signs for itself.
    struct Books {
        uint96 balance;
        uint96 spent;
        /// Whether there is anything to read of `Keys`.
        bool hasKeys;
    }

    struct Withdrawal {
        uint96 amount;
        uint40 withdrawableAt;
    }

    struct Keys {
        address current;
        uint40 previousUntil;
        address previous;
    }

    /// @inheritdoc IAccounts
    uint256 public immutable WITHDRAW_DELAY_SECONDS;

    mapping(address facilitator => mapping(address payer => Books books)) private _books;
    mapping(address facilitator => mapping(address payer => Withdrawal withdrawal)) private _withdrawals;
    mapping(address facilitator => mapping(address payer => Keys keys)) private _keys;

    constructor(uint256 withdrawDelaySeconds) {
        WITHDRAW_DELAY_SECONDS = withdrawDelaySeconds;
    }

    /// @inheritdoc IAccounts
    function deposit(address payer, address facilitator, uint96 amount) external {
        _book(msg.sender, payer, facilitator, amount);
        _take(amount);
    }

    /// @inheritdoc IAccounts
    function depositWithPermit(
        address payer,
        address facilitator,
        uint96 amount,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external {
        _book(msg.sender, payer, facilitator, amount);
        // Whoever saw it could have submitted it before; the allowance decides.
        bytes memory permit = abi.encodeCall(
            IERC20Permit.permit,
            (msg.sender, address(this), amount, deadline, v, r, s)
        );
        LowLevelCall.callNoReturn(TOKEN, permit);
        _take(amount);
    }

    /// @inheritdoc IAccounts
    function depositWithPermit2(
        address owner,
        address payer,
        address facilitator,
        uint96 amount,
        uint256 nonce,
        uint256 deadline,
        bytes calldata signature
    ) external receives(amount) {
        _book(owner, payer, facilitator, amount);
        ISignatureTransfer(PERMIT2).permitWitnessTransferFrom(
            ISignatureTransfer.PermitTransferFrom({
                permitted: ISignatureTransfer.TokenPermissions({token: TOKEN, amount: amount}),
                nonce: nonce,
                deadline: deadline
            }),
            ISignatureTransfer.SignatureTransferDetails({to: address(this), requestedAmount: amount}),
            owner,
            MoneyTypes.hashDeposit(payer, facilitator),
            MoneyTypes.DEPOSIT_WITNESS_TYPE_STRING,
            signature
        );
    }

    /// @inheritdoc IAccounts
    function depositWithAuthorization(
        address owner,
        address payer,
        address facilitator,
        uint96 amount,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 salt,
        bytes calldata signature
    ) external receives(amount) {
        _book(owner, payer, facilitator, amount);
        bytes32 nonce = keccak256(abi.encode(payer, facilitator, salt));
        (uint8 v, bytes32 r, bytes32 s) = ECDSA.parseCalldata(signature);
        IERC3009(TOKEN).receiveWithAuthorization(owner, address(this), amount, validAfter, validBefore, nonce, v, r, s);
    }

    /// @inheritdoc IAccounts
    function setAuthorizer(address facilitator, address authorizer) external {
        Keys storage keys = _keys[facilitator][msg.sender];
        address next = authorizer == address(0) ? msg.sender : authorizer;
        address previous = _currentOf(keys, msg.sender);
        if (next == previous) revert AuthorizerUnchanged(next);
        if (block.timestamp <= keys.previousUntil) revert AuthorizerReplacedBefore(keys.previousUntil);

        uint40 previousUntil = uint40(block.timestamp + WITHDRAW_DELAY_SECONDS);
        (keys.current, keys.previous, keys.previousUntil) = (next, previous, previousUntil);
        _books[facilitator][msg.sender].hasKeys = true;
        emit AuthorizerSet(msg.sender, facilitator, next, previous, previousUntil);
    }

    /// @inheritdoc IAccounts
    function initiateWithdraw(address facilitator, uint96 amount) external {
        uint40 withdrawableAt = amount == 0 ? 0 : uint40(block.timestamp + WITHDRAW_DELAY_SECONDS);
        _withdrawals[facilitator][msg.sender] = Withdrawal({amount: amount, withdrawableAt: withdrawableAt});
        emit WithdrawalInitiated(msg.sender, facilitator, amount, withdrawableAt);
    }

    /// @inheritdoc IAccounts
    function finalizeWithdraw(address payer, address facilitator) external returns (uint256 amount) {
        Withdrawal memory withdrawal = _withdrawals[facilitator][payer];
        if (withdrawal.amount == 0) revert NothingWithdrawing(payer, facilitator);
        if (block.timestamp < withdrawal.withdrawableAt) revert WithdrawalTooEarly(withdrawal.withdrawableAt);

        Books storage books = _books[facilitator][payer];
        uint96 balance = books.balance;
        uint96 paid = withdrawal.amount < balance ? withdrawal.amount : balance;
        delete _withdrawals[facilitator][payer];
        books.balance = balance - paid;
        emit AccountWithdrawn(payer, facilitator, paid);
        if (paid != 0) IERC20(TOKEN).safeTransfer(payer, paid);
        return paid;
    }

    /// @inheritdoc IAccounts
    function debit(
        address facilitator,
        Debit[] calldata debits
    ) external onlySettlement returns (bytes32 digest, uint256 total) {
        bytes32[] memory words = new bytes32[](debits.length);
        bytes32 domainSeparator = _domainSeparatorV4();
        address previous = address(0);
        for (uint256 i = 0; i < debits.length; ++i) {
            Debit calldata entry = debits[i];
            address payer = entry.payer;
            if (payer <= previous) revert PayersNotAscending(previous, payer);
            _debit(facilitator, entry, domainSeparator);
            words[i] = MoneyTypes.shareOf(payer, entry.amount);
            total += entry.amount;
            previous = payer;
        }
        digest = keccak256(abi.encodePacked(words));
    }

    /// @inheritdoc IAccounts
    function accounts(address payer, address facilitator) external view returns (Account memory) {
        Books memory books = _books[facilitator][payer];
        Withdrawal memory withdrawal = _withdrawals[facilitator][payer];
        return
            Account({
                balance: books.balance,
                spent: books.spent,
                withdrawing: withdrawal.amount,
                withdrawableAt: withdrawal.withdrawableAt
            });
    }

    /// @inheritdoc IAccounts
    function authorizers(address payer, address facilitator) external view returns (Authorizers memory) {
        Keys storage keys = _keys[facilitator][payer];
        return
            Authorizers({current: _currentOf(keys, payer), previous: keys.previous, previousUntil: keys.previousUntil});
    }

    function _book(address funder, address payer, address facilitator, uint96 amount) private {
        _checkEntry(amount);
        // Nobody signs for the zero address, and nobody withdraws from it.
        if (payer == address(0)) revert ZeroPayer();
        _books[facilitator][payer].balance += amount;
        emit Deposited(payer, facilitator, funder, amount);
    }

    function _take(uint256 amount) private receives(amount) {
        IERC20(TOKEN).safeTransferFrom(msg.sender, address(this), amount);
    }

    function _debit(address facilitator, Debit calldata entry, bytes32 domainSeparator) private {
        (address payer, uint96 amount, uint96 cap) = (entry.payer, entry.amount, entry.cap);
        Books memory books = _books[facilitator][payer];
        uint256 spent = uint256(books.spent) + amount;
        if (spent > cap) revert CapExceeded(payer, books.spent, amount, cap);
        if (amount > books.balance) revert BalanceTooLow(payer, books.balance, amount);

        bytes32 voucherHash = MoneyTypes.hashVoucher(payer, facilitator, cap);
        bytes32 voucherDigest = MessageHashUtils.toTypedDataHash(domainSeparator, voucherHash);
        (address signer, , ) = ECDSA.tryRecover(voucherDigest, entry.r, entry.vs);
        bool authorized = books.hasKeys ? _isAuthorizer(_keys[facilitator][payer], signer) : signer == payer;
        if (!authorized) revert NotAuthorized(payer, signer);

        (books.balance, books.spent) = (books.balance - amount, uint96(spent));
        _books[facilitator][payer] = books;
        emit AccountDebited(payer, facilitator, amount, spent);
    }

    function _isAuthorizer(Keys storage keys, address signer) private view returns (bool) {
        if (signer == keys.current) return true;
        return block.timestamp <= keys.previousUntil && signer == keys.previous;
    }

    function _currentOf(Keys storage keys, address payer) private view returns (address) {
        address current = keys.current;
        return current == address(0) ? payer : current;
    }
}
