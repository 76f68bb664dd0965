// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice What a debit reads and writes of an account, in one word: `hasKeys << 192 | spent << 96 | balance`. As a struct it
/// would be written field by field, which costs a batch 800 gas for every payer.
type Books is uint256;

using BooksLibrary for Books global;

/// @title An account's books in one word
/// @notice Balance, lifetime spending and whether there are other keys, read and written together.
library BooksLibrary {
    uint256 private constant SPENT_BITS = 96;
    uint256 private constant HAS_KEYS = 1 << 192;

    function balance(Books books) internal pure returns (uint96) {
        return uint96(Books.unwrap(books));
    }

    function spent(Books books) internal pure returns (uint96) {
        return uint96(Books.unwrap(books) >> SPENT_BITS);
    }

    /// @dev Whether another key than the payer's own was ever named.
    function hasKeys(Books books) internal pure returns (bool) {
        return Books.unwrap(books) & HAS_KEYS != 0;
    }

    function withKeys(Books books) internal pure returns (Books) {
        return Books.wrap(Books.unwrap(books) | HAS_KEYS);
    }

    /// @dev Reverts where the balance would leave its 96 bits.
    function plus(Books books, uint96 amount) internal pure returns (Books) {
        uint96 next = books.balance() + amount;
        return Books.wrap(Books.unwrap(books) - books.balance() + next);
    }

    /// @dev The caller knows that the balance covers it.
    function minus(Books books, uint96 amount) internal pure returns (Books) {
        return Books.wrap(Books.unwrap(books) - amount);
    }

    /// @dev From balance to spent. The caller knows that the balance covers it, and that what was spent stays in its 96 bits.
    function debited(Books books, uint96 amount) internal pure returns (Books) {
        unchecked {
            return Books.wrap(Books.unwrap(books) - amount + (uint256(amount) << SPENT_BITS));
        }
    }
}
