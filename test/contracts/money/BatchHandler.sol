// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Debit} from "../../../contracts/interfaces/IAccounts.sol";
import {Batch, ISettlement} from "../../../contracts/interfaces/ISettlement.sol";
import {MoneyTypes} from "../../../contracts/libraries/MoneyTypes.sol";
import {Share} from "../../../contracts/libraries/Share.sol";
import {AccountHandler} from "./AccountHandler.sol";
import {VM} from "./Vm.sol";

/// @notice Batches over prefunded accounts: sound ones, and every way to make one that must be refused whole.
abstract contract BatchHandler is AccountHandler {
    /// @dev What is wrong with a batch. Up to `StaleHead` the quorum certifies it all the same, which must not help.
    enum Flaw {
        None,
        WrongKey,
        LowCap,
        OtherFacilitator,
        AboveBalance,
        Doubled,
        Unbalanced,
        StaleHead,
        OtherDebit,
        OtherCredit,
        OtherCount,
        OtherEpoch,
        OtherDomain,
        OneSignature,
        OtherSubmitter
    }

    struct Plan {
        Batch batch;
        uint64 receipts;
        Debit[] debits;
        Share[] credits;
        bytes signatures;
        address submitter;
    }

    /// @dev What is to be taken from an account, and the voucher for it.
    struct Charge {
        address holder;
        address desk;
        uint256 amount;
        uint256 cap;
        uint256 key;
    }

    /// @dev What a batch may cost beside a fixed part, by payer and payee, where all they write was zero before.
    uint256 private constant BATCH_GAS = 200_000;
    uint256 private constant SHARE_GAS = 60_000;

    mapping(address desk => bytes32 batchId) private _heads;

    /// @notice A facilitator submits batches with one flaw each, then a sound one. What was settled is sent again.
    function settleBatch(uint256 seed) external {
        uint256 dice = _dice(seed);
        for (uint256 i = 0; i < 2; ++i) _submitNew(Flaw(1 + ((dice >> (8 * i)) % uint256(type(Flaw).max))), dice >> 16);
        _submitNew(Flaw.None, dice >> 24);
    }

    /// @notice Id of the last batch that was settled for a facilitator.
    function headOf(address desk) external view returns (bytes32) {
        return _heads[desk];
    }

    function _submitNew(Flaw flaw, uint256 dice) private {
        Plan memory plan = _plan(facilitator(dice), dice >> 8);
        if (plan.debits.length == 0) return;
        _damage(plan, flaw, dice >> 32);
        _complete(plan, flaw, dice >> 40);
        _certify(plan, flaw);
        _forge(plan, flaw);
        _settle(plan, flaw);
    }

    /// @dev Sends it, and holds what came of it against what had to.
    function _settle(Plan memory plan, Flaw flaw) private {
        uint64 epoch = plan.batch.epoch;
        address desk = plan.batch.facilitator;
        uint256[2] memory before = [_totalCredited(epoch), _totalSpent(desk)];
        bool done = _submit(plan);
        if (done) {
            _expect(flaw == Flaw.None, _brokenBy(flaw));
            _expect(_isAccepted(epoch), Broken.Certificates);
            uint256 total = _bookBatch(plan);
            (before[0], before[1]) = (before[0] + total, before[1] + total);
        } else {
            _expect(flaw != Flaw.None || !_isAccepted(epoch), Broken.Isolation);
        }
        _expect(_totalCredited(epoch) == before[0], Broken.Conservation);
        _expect(_totalSpent(desk) == before[1], Broken.Whole);
        if (done) _expect(!_submit(plan), Broken.Once);
    }

    /// @dev A batch without a flaw: of some whose account covers something and has a key that can sign.
    function _plan(address desk, uint256 dice) private returns (Plan memory plan) {
        plan.debits = new Debit[](HOLDERS);
        uint256 count = 0;
        for (uint256 i = 0; i < HOLDERS; ++i) {
            Charge memory charge = _chargeOf(holders[i], desk, uint256(keccak256(abi.encode(dice, i))));
            if (charge.amount > 0) plan.debits[count++] = _signDebit(charge);
        }
        Debit[] memory debits = plan.debits;
        assembly ("memory-safe") {
            mstore(debits, count)
        }
        plan.receipts = uint64(count + (dice % 9));
        plan.submitter = desk == address(this) && dice % 3 == 0 ? ENTRY_SIGNER : desk;
        (plan.batch.facilitator, plan.batch.previous) = (desk, _heads[desk]);
        plan.batch.root = bytes32(dice);
        plan.batch.epoch = _epoch((dice >> 8) % 4 == 0);
    }

    /// @dev Under the voucher that was seen before, or a newer one that reaches further. Of nothing, if it cannot be.
    function _chargeOf(address holder, address desk, uint256 dice) private returns (Charge memory charge) {
        (charge.holder, charge.desk) = (holder, desk);
        charge.key = _signerKey(holder, desk, dice);
        uint256 balance = balanceOf(holder, desk);
        if (dice % 4 == 0 || balance == 0 || charge.key == 0) return charge;
        charge.amount = 1 + ((dice >> 16) % ((dice >> 8) % 4 == 0 ? balance : 1 + balance / 8));
        if (charge.amount > balance) charge.amount = balance;
        Books storage books = _booksOf(holder, desk);
        charge.cap = books.debited + charge.amount;
        if (books.cap >= charge.cap && (dice >> 128) % 2 == 0) charge.cap = books.cap;
        else if ((dice >> 129) % 2 == 0) charge.cap += (dice >> 136) % 1e22;
        if (charge.cap > books.cap) books.cap = charge.cap;
    }

    function _signDebit(Charge memory charge) private view returns (Debit memory debit) {
        (debit.share, debit.cap) = (_share(charge.holder, charge.amount), uint96(charge.cap));
        (debit.r, debit.vs) = _signVoucher(charge.key, charge.holder, charge.desk, debit.cap);
    }

    /// @dev What payers sign and should not have, what somebody else signed, and sums that do not add up.
    function _damage(Plan memory plan, Flaw flaw, uint256 dice) private {
        uint256 index = dice % plan.debits.length;
        if (flaw == Flaw.Doubled) plan.debits = _withDoubled(plan.debits, index);
        if (flaw == Flaw.None || flaw > Flaw.AboveBalance) return;
        Charge memory charge;
        (charge.holder, charge.desk) = (plan.debits[index].share.account(), plan.batch.facilitator);
        (charge.amount, charge.cap) = (plan.debits[index].share.amount(), plan.debits[index].cap);
        charge.key = _signerKey(charge.holder, charge.desk, 0);
        // A contract that signs for itself again cannot; the key that it had before still can.
        if (charge.key == 0) charge.key = _signerKey(charge.holder, charge.desk, 1);
        _damageCharge(charge, flaw);
        Debit memory debit = _signDebit(charge);
        if (flaw == Flaw.OtherFacilitator) {
            charge.desk = facilitator(charge.desk == address(this) ? 1 : 0);
            (debit.r, debit.vs) = _signVoucher(charge.key, charge.holder, charge.desk, debit.cap);
        }
        plan.debits[index] = debit;
    }

    function _damageCharge(Charge memory charge, Flaw flaw) private {
        Books storage books = _booksOf(charge.holder, charge.desk);
        if (flaw == Flaw.WrongKey) charge.key = _strangeKey(books);
        else if (flaw == Flaw.LowCap) charge.cap = books.debited + charge.amount - 1;
        else if (flaw == Flaw.AboveBalance) {
            charge.amount = balanceOf(charge.holder, charge.desk) + 1;
            charge.cap = books.debited + charge.amount;
            if (charge.cap > books.cap) books.cap = charge.cap;
        }
    }

    function _withDoubled(Debit[] memory debits, uint256 index) private pure returns (Debit[] memory doubled) {
        doubled = new Debit[](debits.length + 1);
        for (uint256 i = 0; i < debits.length; ++i) doubled[i] = debits[i];
        doubled[debits.length] = debits[index];
    }

    /// @dev Credits as much as is debited to the nodes, and writes into the batch what is certified.
    function _complete(Plan memory plan, Flaw flaw, uint256 dice) private pure {
        Share[] memory taken = new Share[](plan.debits.length);
        uint256 total = flaw == Flaw.Unbalanced ? 1 : 0;
        for (uint256 i = 0; i < plan.debits.length; ++i) {
            taken[i] = plan.debits[i].share;
            total += taken[i].amount();
        }
        uint256 first = dice % (total + 1);
        plan.credits = new Share[](NODES);
        (plan.credits[0], plan.credits[1]) = (_share(payoutOf(0), first), _share(payoutOf(1), total - first));
        plan.batch.debits = keccak256(abi.encodePacked(taken));
        plan.batch.credits = keccak256(abi.encodePacked(uint256(plan.receipts), plan.credits));
        if (flaw == Flaw.StaleHead) plan.batch.previous = keccak256(abi.encode(plan.batch.previous));
    }

    function _certify(Plan memory plan, Flaw flaw) private view {
        Batch memory batch = plan.batch;
        bytes32 structHash = keccak256(
            abi.encode(
                MoneyTypes.BATCH_TYPEHASH,
                batch.facilitator,
                batch.previous,
                batch.root,
                batch.debits,
                batch.credits,
                batch.epoch
            )
        );
        address contracted = flaw == Flaw.OtherDomain ? address(ESCROW) : address(SETTLEMENT);
        plan.signatures = _signAll(batch.epoch, _digest(_domain("OPG Settlement", contracted), structHash));
    }

    /// @dev What was certified is not what is submitted, or not by whom.
    function _forge(Plan memory plan, Flaw flaw) private view {
        if (flaw == Flaw.OtherDebit) _shiftDebits(plan.debits);
        else if (flaw == Flaw.OtherCredit) plan.credits[0] = _share(address(1), plan.credits[0].amount());
        else if (flaw == Flaw.OtherCount) ++plan.receipts;
        else if (flaw == Flaw.OtherEpoch)
            plan.batch.epoch = plan.batch.epoch == 1 ? VERIFIER_SET.currentEpoch() + 1 : plan.batch.epoch - 1;
        else if (flaw == Flaw.OneSignature) plan.signatures = _firstOf(plan.signatures);
        else if (flaw == Flaw.OtherSubmitter) plan.submitter = holders[0];
    }

    /// @dev The sum stays what it was, if there are two.
    function _shiftDebits(Debit[] memory debits) private pure {
        Debit memory last = debits[debits.length - 1];
        debits[0].share = _share(debits[0].share.account(), debits[0].share.amount() - 1);
        if (debits.length > 1) last.share = _share(last.share.account(), last.share.amount() + 1);
    }

    function _submit(Plan memory plan) private returns (bool done) {
        bytes memory call = abi.encodeCall(
            ISettlement.settleBatch,
            (plan.batch, plan.receipts, plan.debits, plan.credits, plan.signatures)
        );
        VM.prank(plan.submitter);
        uint256 gasBefore = gasleft();
        done = _succeeds(address(SETTLEMENT), call);
        uint256 shares = plan.debits.length + plan.credits.length;
        _expect(gasBefore - gasleft() < BATCH_GAS + SHARE_GAS * shares, Broken.Work);
    }

    function _bookBatch(Plan memory plan) private returns (uint256 total) {
        address desk = plan.batch.facilitator;
        _heads[desk] = SETTLEMENT.batchIdOf(plan.batch);
        for (uint256 i = 0; i < plan.debits.length; ++i) {
            Share share = plan.debits[i].share;
            _booksOf(share.account(), desk).debited += share.amount();
            total += share.amount();
        }
    }

    /// @dev Whose signature an account takes: the present authorizer's, or the one's before while it counts; 0 if that has none.
    function _signerKey(address holder, address desk, uint256 dice) private view returns (uint256) {
        Books storage books = _booksOf(holder, desk);
        bool isPrevious = dice % 2 == 1 && books.previous != address(0) && block.timestamp <= books.previousUntil;
        address signer = isPrevious ? books.previous : authorizerOf(holder, desk);
        return signer == WALLET ? 0 : keyOf[signer];
    }

    /// @dev One that counts no longer, if there is one.
    function _strangeKey(Books storage books) private view returns (uint256) {
        bool isReplaced = books.previous != address(0) && block.timestamp > books.previousUntil;
        return isReplaced ? keyOf[books.previous] : THIEF_KEY;
    }

    function _totalSpent(address desk) private view returns (uint256 total) {
        for (uint256 i = 0; i < HOLDERS; ++i) total += ESCROW.accounts(holders[i], desk).spent;
    }

    function _totalCredited(uint64 epoch) private view returns (uint256) {
        ISettlement.Pool memory pool = SETTLEMENT.pools(epoch);
        return _totalEarnings() + pool.verifierAmount + pool.treasuryAmount;
    }

    function _brokenBy(Flaw flaw) private pure returns (Broken) {
        if (flaw <= Flaw.AboveBalance) return Broken.Authority;
        if (flaw == Flaw.Doubled || flaw == Flaw.StaleHead) return Broken.Once;
        if (flaw == Flaw.Unbalanced) return Broken.Conservation;
        return flaw == Flaw.OtherSubmitter ? Broken.Isolation : Broken.Certificates;
    }

    function _share(address account, uint256 amount) private pure returns (Share) {
        return Share.wrap(bytes32((uint256(uint160(account)) << 96) | amount));
    }

    function _firstOf(bytes memory signatures) private pure returns (bytes memory first) {
        first = new bytes(65);
        for (uint256 i = 0; i < first.length; ++i) first[i] = signatures[i];
    }
}
