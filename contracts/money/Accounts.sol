// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IERC3009} from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {LowLevelCall} from "@openzeppelin/contracts/utils/LowLevelCall.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ISignatureTransfer} from "@uniswap/v4-periphery/lib/permit2/src/interfaces/ISignatureTransfer.sol";
import {Debit, IAccounts} from "../interfaces/IAccounts.sol";
import {Books} from "../libraries/Books.sol";
import {MoneyTypes} from "../libraries/MoneyTypes.sol";
import {Share} from "../libraries/Share.sol";
import {VoucherSigner} from "../libraries/VoucherSigner.sol";
import {Custody} from "./Custody.sol";

/// @title Accounts
/// @notice See IAccounts.
abstract contract Accounts is IAccounts, Custody, EIP712 {
    using SafeERC20 for IERC20;

    struct Record {
        Books books;
        uint96 withdrawing;
        uint40 withdrawableAt;
        address current;
        uint40 previousUntil;
        address previous;
    }

    /// @inheritdoc IAccounts
    uint256 public immutable WITHDRAW_DELAY_SECONDS;

    /// @dev By facilitator first, as a batch is of one.
    mapping(address facilitator => mapping(address payer => Record record)) private _records;

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
        Record storage record = _records[facilitator][msg.sender];
        address next = authorizer == address(0) ? msg.sender : authorizer;
        address previous = _currentOf(record, msg.sender);
        if (next == previous) revert AuthorizerUnchanged(next);
        if (block.timestamp <= record.previousUntil) revert AuthorizerReplacedBefore(record.previousUntil);

        uint40 previousUntil = uint40(block.timestamp + WITHDRAW_DELAY_SECONDS);
        (record.current, record.previous, record.previousUntil) = (next, previous, previousUntil);
        record.books = record.books.withKeys();
        emit AuthorizerSet(msg.sender, facilitator, next, previous, previousUntil);
    }

    /// @inheritdoc IAccounts
    function initiateWithdraw(address facilitator, uint96 amount) external {
        Record storage record = _records[facilitator][msg.sender];
        uint40 withdrawableAt = amount == 0 ? 0 : uint40(block.timestamp + WITHDRAW_DELAY_SECONDS);
        (record.withdrawing, record.withdrawableAt) = (amount, withdrawableAt);
        emit WithdrawalInitiated(msg.sender, facilitator, amount, withdrawableAt);
    }

    /// @inheritdoc IAccounts
    function finalizeWithdraw(address payer, address facilitator) external returns (uint256 amount) {
        Record storage record = _records[facilitator][payer];
        uint96 withdrawing = record.withdrawing;
        if (withdrawing == 0) revert NothingWithdrawing(payer, facilitator);
        if (block.timestamp < record.withdrawableAt) revert WithdrawalTooEarly(record.withdrawableAt);

        Books books = record.books;
        uint96 paid = withdrawing < books.balance() ? withdrawing : books.balance();
        record.books = books.minus(paid);
        (record.withdrawing, record.withdrawableAt) = (0, 0);
        emit AccountWithdrawn(payer, facilitator, paid);
        if (paid != 0) IERC20(TOKEN).safeTransfer(payer, paid);
        return paid;
    }

    /// @inheritdoc IAccounts
    function debit(
        bytes32 batchId,
        address facilitator,
        Debit[] calldata debits
    ) external onlySettlement returns (bytes32 digest, uint256 total) {
        Share[] memory shares = new Share[](debits.length);
        bytes32 domainSeparator = _domainSeparatorV4();
        mapping(address payer => Record record) storage records = _records[facilitator];
        address previous = address(0);
        for (uint256 i = 0; i < debits.length; ++i) {
            Share share = debits[i].share;
            address payer = share.account();
            if (payer <= previous) revert PayersNotAscending(previous, payer);
            _debit(records[payer], facilitator, debits[i], domainSeparator);
            shares[i] = share;
            total += share.amount();
            previous = payer;
        }
        digest = MoneyTypes.hashShares(shares);
        emit AccountsDebited(batchId, facilitator, shares);
    }

    /// @inheritdoc IAccounts
    function accounts(address payer, address facilitator) external view returns (Account memory) {
        Record storage record = _records[facilitator][payer];
        return
            Account({
                balance: record.books.balance(),
                spent: record.books.spent(),
                withdrawing: record.withdrawing,
                withdrawableAt: record.withdrawableAt
            });
    }

    /// @inheritdoc IAccounts
    function authorizers(address payer, address facilitator) external view returns (Authorizers memory) {
        Record storage record = _records[facilitator][payer];
        return
            Authorizers({
                current: _currentOf(record, payer),
                previous: record.previous,
                previousUntil: record.previousUntil
            });
    }

    function _book(address funder, address payer, address facilitator, uint96 amount) private {
        _checkEntry(amount);
        // Nobody signs for the zero address, and nobody withdraws from it.
        if (payer == address(0)) revert ZeroPayer();
        Record storage record = _records[facilitator][payer];
        record.books = record.books.plus(amount);
        emit Deposited(payer, facilitator, funder, amount);
    }

    function _take(uint256 amount) private receives(amount) {
        IERC20(TOKEN).safeTransferFrom(msg.sender, address(this), amount);
    }

    function _debit(Record storage record, address facilitator, Debit calldata entry, bytes32 domainSeparator) private {
        (address payer, uint96 amount, uint96 cap) = (entry.share.account(), entry.share.amount(), entry.cap);
        Books books = record.books;
        if (uint256(books.spent()) + amount > cap) revert CapExceeded(payer, books.spent(), amount, cap);
        if (amount > books.balance()) revert BalanceTooLow(payer, books.balance(), amount);
        address signer = VoucherSigner.recover(domainSeparator, payer, facilitator, cap, entry.r, entry.vs);
        bool authorized = books.hasKeys() ? _isAuthorizer(record, signer) : signer == payer;
        if (!authorized) revert NotAuthorized(payer, signer);

        record.books = books.debited(amount);
    }

    function _isAuthorizer(Record storage record, address signer) private view returns (bool) {
        if (signer == record.current) return true;
        return block.timestamp <= record.previousUntil && signer == record.previous;
    }

    function _currentOf(Record storage record, address payer) private view returns (address) {
        address current = record.current;
        return current == address(0) ? payer : current;
    }
}
