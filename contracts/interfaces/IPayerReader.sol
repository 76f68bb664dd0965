// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAccounts} from "./IAccounts.sol";

/// @title What payers can pay, many of them in one call
/// @notice A lens without state or powers: whoever follows a chain reads with it, once per block, everything that decides
/// whether payments can be made.
/// @custom:warning Tokens are asked with bounded gas, and one that does not answer counts as empty. What it says holds for
/// the block that it is asked at, and for no other.
interface IPayerReader {
    /// @notice A payer's holding of a token.
    struct Wallet {
        address token;
        address payer;
    }

    /// @notice A word of a payer's Permit2 nonces: nonce >> 8.
    struct Word {
        address payer;
        uint256 position;
    }

    struct Funds {
        uint256 balance;
        /// @dev What Permit2 may move.
        uint256 allowance;
        bool tokenHasCode;
        bool payerHasCode;
    }

    struct PrefundedAccount {
        IAccounts.Account account;
        IAccounts.Authorizers authorizers;
    }

    /// @notice Funds of `wallets` and used nonces of `words`, in their order; a set bit is a used nonce.
    function read(
        Wallet[] calldata wallets,
        Word[] calldata words
    ) external view returns (Funds[] memory funds, uint256[] memory bitmaps);

    /// @notice Prefunded accounts of `payers` at a facilitator, and who signs for them, in their order.
    function accountsOf(
        address escrow,
        address facilitator,
        address[] calldata payers
    ) external view returns (PrefundedAccount[] memory found);

    /// @notice Whose nonces and allowances are read.
    function PERMIT2() external view returns (address);
}
