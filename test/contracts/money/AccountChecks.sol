// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAccounts} from "../../../contracts/interfaces/IAccounts.sol";
import {ISettlement} from "../../../contracts/interfaces/ISettlement.sol";
import {AccountHandler} from "./AccountHandler.sol";
import {NetworkHandler} from "./NetworkHandler.sol";

/// @notice Holds the contract's books against those of a handler.
abstract contract AccountChecks {
    /// @dev Of accounts, pools and earnings.
    function _owedBy(AccountHandler handler) internal view returns (uint256 owed) {
        for (uint256 i = 0; i < handler.earners(); ++i) owed += handler.ESCROW().earnings(handler.earner(i));
        for (uint64 epoch = 1; epoch <= handler.VERIFIER_SET().currentEpoch(); ++epoch) {
            ISettlement.Pool memory pool = handler.SETTLEMENT().pools(epoch);
            owed += uint256(pool.verifierAmount) + pool.treasuryAmount;
        }
        for (uint256 i = 0; i < _accountsOf(handler); ++i) {
            (address holder, address desk) = _accountAt(handler, i);
            owed += handler.ESCROW().accounts(holder, desk).balance;
        }
    }

    function _requireUnbroken(
        AccountHandler handler,
        NetworkHandler.Broken invariant,
        string memory whatBroke
    ) internal view {
        require(handler.broken(invariant) == 0, whatBroke);
    }

    function _checkAccounts(AccountHandler handler) internal view {
        for (uint256 i = 0; i < _accountsOf(handler); ++i) {
            (address holder, address desk) = _accountAt(handler, i);
            AccountHandler.Books memory books = handler.booksOf(holder, desk);
            IAccounts.Account memory account = handler.ESCROW().accounts(holder, desk);
            IAccounts.Authorizers memory keys = handler.ESCROW().authorizers(holder, desk);
            require(account.balance == handler.balanceOf(holder, desk), "a balance was moved by something else");
            require(account.spent == books.debited, "what was spent is not what was debited");
            require(account.spent <= books.cap, "an account paid more than its vouchers allow");
            require(account.withdrawing == books.withdrawing, "another withdrawal");
            require(account.withdrawableAt == books.withdrawableAt, "another wait");
            require(keys.current == handler.authorizerOf(holder, desk), "another authorizer");
            require(keys.previous == books.previous && keys.previousUntil == books.previousUntil, "another key before");
        }
    }

    function _accountsOf(AccountHandler handler) internal view returns (uint256) {
        return handler.HOLDERS() * handler.FACILITATORS();
    }

    function _accountAt(AccountHandler handler, uint256 index) internal view returns (address holder, address desk) {
        return (handler.holders(index / handler.FACILITATORS()), handler.facilitator(index));
    }
}
