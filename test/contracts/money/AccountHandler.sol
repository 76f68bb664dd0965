// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Debit, IAccounts} from "../../../contracts/interfaces/IAccounts.sol";
import {AccountWorld} from "./AccountWorld.sol";
import {NetworkHandler} from "./NetworkHandler.sol";
import {VM} from "./Vm.sol";

/// @notice Prefunded accounts: deposits all four ways, withdrawals, other keys. Keeps books of its own beside the contract's.
abstract contract AccountHandler is NetworkHandler, AccountWorld {
    /// @dev What an account must look like after all that happened to it.
    struct Books {
        uint256 deposited;
        uint256 withdrawn;
        uint256 debited;
        /// @dev Highest that was signed by who may sign.
        uint256 cap;
        uint256 withdrawing;
        uint256 withdrawableAt;
        address current;
        address previous;
        uint256 previousUntil;
    }

    mapping(address desk => mapping(address holder => Books books)) private _books;
    /// @notice What somebody put into accounts, their own among them.
    mapping(address funder => uint256 amount) public given;

    /// @notice Two fund accounts, mostly their own; sometimes nobody signed for it.
    function deposit(uint256 seed) external {
        _depositBy(_dice(seed));
        _depositBy(_dice(~seed));
    }

    /// @notice Somebody wants money back, all do, or one no longer; one gets it, or all after a wait, by the hand of another.
    function takeOut(uint256 seed) external {
        uint256 dice = _dice(seed);
        (address holder, address desk) = (holders[dice % HOLDERS], facilitator(dice >> 8));
        uint256 kind = (dice >> 16) % 8;
        if (kind < 3) _initiate(holder, desk, uint96((dice >> 24) % (2 * balanceOf(holder, desk) + 1)));
        else if (kind == 3) _initiate(holder, desk, 0);
        else if (kind == 4) _finalize(holder, desk);
        else if (kind == 5) for (uint256 i = 0; i < HOLDERS; ++i) _initiate(holders[i], desk, type(uint96).max);
        else _finalizeAll(desk);
    }

    /// @notice Somebody names who signs for an account: another key, or nobody else.
    function nameKey(uint256 seed) external {
        uint256 dice = _dice(seed);
        (address holder, address desk) = (holders[dice % HOLDERS], facilitator(dice >> 8));
        uint256 choice = (dice >> 16) % (VOUCHER_KEYS + 1);
        address named = choice == VOUCHER_KEYS ? address(0) : VM.addr(_voucherKey(choice));
        Books storage books = _books[desk][holder];
        address next = named == address(0) ? holder : named;
        address current = authorizerOf(holder, desk);
        bool allowed = next != current && block.timestamp > books.previousUntil;

        VM.prank(holder);
        bool done = _succeeds(address(ESCROW), abi.encodeCall(IAccounts.setAuthorizer, (desk, named)));
        _expect(done == allowed, Broken.Authority);
        if (!done) return;
        (books.current, books.previous) = (next, current);
        books.previousUntil = block.timestamp + WITHDRAW_DELAY_SECONDS;
    }

    /// @notice What nobody but the settlement contract and the payer may do to an account.
    function reach(uint256 seed) external {
        uint256 dice = _dice(seed);
        (address holder, address desk) = (holders[dice % HOLDERS], facilitator(dice >> 8));
        Debit[] memory debits = new Debit[](0);
        _expect(
            !_succeeds(address(ESCROW), abi.encodeCall(IAccounts.debit, (bytes32(dice), desk, debits))),
            Broken.Isolation
        );
        // Whoever calls speaks for their own account alone.
        _succeeds(address(ESCROW), abi.encodeCall(IAccounts.initiateWithdraw, (desk, type(uint96).max)));
        if (_books[desk][holder].withdrawing > 0) return;
        bytes memory call = abi.encodeCall(IAccounts.finalizeWithdraw, (holder, desk));
        _expect(!_succeeds(address(ESCROW), call), Broken.Isolation);
    }

    /// @notice What an account holds by the books of this test.
    function balanceOf(address holder, address desk) public view returns (uint256) {
        Books storage books = _books[desk][holder];
        return books.deposited - books.withdrawn - books.debited;
    }

    function booksOf(address holder, address desk) external view returns (Books memory) {
        return _books[desk][holder];
    }

    /// @notice Who signs for an account by the books of this test.
    function authorizerOf(address holder, address desk) public view returns (address) {
        address current = _books[desk][holder].current;
        return current == address(0) ? holder : current;
    }

    /// @notice All that came into somebody's accounts, and what batches took from it.
    function movedOf(address holder) public view returns (uint256 deposited, uint256 debited) {
        for (uint256 i = 0; i < FACILITATORS; ++i) {
            Books storage books = _books[facilitator(i)][holder];
            deposited += books.deposited;
            debited += books.debited;
        }
    }

    function _depositBy(uint256 dice) private {
        address funder = holders[dice % HOLDERS];
        bool isForOther = (dice >> 8) % 4 == 0;
        Deposit memory d = Deposit({
            way: _wayOf(funder, dice >> 16),
            funder: funder,
            payer: isForOther ? holders[(dice >> 24) % HOLDERS] : funder,
            desk: facilitator(dice >> 32),
            amount: (dice >> 40) % 16 == 0 ? 0 : uint96((dice >> 48) % 1e22)
        });
        _deposit(d, (dice >> 160) % 8 == 0 && d.way != Way.Approval);
    }

    function _deposit(Deposit memory d, bool forged) internal returns (bool done) {
        (bytes memory call, address sender) = _depositCall(d, forged ? THIEF_KEY : keyOf[d.funder]);
        uint256 held = TOKEN.balanceOf(address(ESCROW));
        bool allowed = !ESCROW.entriesPaused() && d.amount > 0 && !forged;
        VM.prank(sender);
        done = _succeeds(address(ESCROW), call);
        _expect(done == allowed, forged ? Broken.Isolation : Broken.Entries);
        _expect(TOKEN.balanceOf(address(ESCROW)) == held + (done ? d.amount : 0), Broken.Conservation);
        if (!done) return false;
        _bookDeposit(d.funder, d.payer, d.desk, d.amount);
        // An approval is used up, and so is whatever was signed.
        VM.prank(sender);
        _expect(!_succeeds(address(ESCROW), call), Broken.Once);
    }

    function _initiate(address holder, address desk, uint96 amount) internal {
        VM.prank(holder);
        bool done = _succeeds(address(ESCROW), abi.encodeCall(IAccounts.initiateWithdraw, (desk, amount)));
        _expect(done, Broken.Exit);
        Books storage books = _books[desk][holder];
        books.withdrawing = amount;
        books.withdrawableAt = amount == 0 ? 0 : block.timestamp + WITHDRAW_DELAY_SECONDS;
    }

    function _finalize(address holder, address desk) internal returns (bool done) {
        Books storage books = _books[desk][holder];
        bool allowed = books.withdrawing > 0 && block.timestamp >= books.withdrawableAt;
        uint256 held = TOKEN.balanceOf(holder);
        uint256 due = _dueOf(holder, desk);
        done = _succeeds(address(ESCROW), abi.encodeCall(IAccounts.finalizeWithdraw, (holder, desk)));
        _expect(done == allowed, done ? Broken.Isolation : Broken.Exit);
        if (!done) return false;
        _bookFinalized(holder, desk);
        _expect(TOKEN.balanceOf(holder) == held + due, Broken.Conservation);
    }

    function _finalizeAll(address desk) private {
        VM.warp(block.timestamp + WITHDRAW_DELAY_SECONDS);
        for (uint256 i = 0; i < HOLDERS; ++i) _finalize(holders[i], desk);
    }

    function _bookDeposit(address funder, address holder, address desk, uint96 amount) internal {
        _books[desk][holder].deposited += amount;
        given[funder] += amount;
    }

    function _bookFinalized(address holder, address desk) internal {
        Books storage books = _books[desk][holder];
        books.withdrawn += _dueOf(holder, desk);
        (books.withdrawing, books.withdrawableAt) = (0, 0);
    }

    function _booksOf(address holder, address desk) internal view returns (Books storage) {
        return _books[desk][holder];
    }

    /// @dev Who has code cannot sign for the token; the wallet's owner can for Permit2.
    function _wayOf(address funder, uint256 dice) internal view virtual returns (Way) {
        if (funder == WALLET) return dice % 2 == 0 ? Way.Approval : Way.Permit2;
        return Way(dice % 4);
    }

    function _dice(uint256 seed) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode(seed)));
    }

    function _dueOf(address holder, address desk) private view returns (uint256) {
        uint256 balance = balanceOf(holder, desk);
        uint256 asked = _books[desk][holder].withdrawing;
        return asked < balance ? asked : balance;
    }
}
