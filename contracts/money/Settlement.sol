// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {Debit, IAccounts} from "../interfaces/IAccounts.sol";
import {IFacilitatorEntry} from "../interfaces/IFacilitatorEntry.sol";
import {Batch, Certificate, ISettlement, Result} from "../interfaces/ISettlement.sol";
import {ITaskEscrow, Payment, Task} from "../interfaces/ITaskEscrow.sol";
import {IVerifierSet} from "../interfaces/IVerifierSet.sol";
import {MoneyTypes} from "../libraries/MoneyTypes.sol";
import {Share} from "../libraries/Share.sol";
import {TaskEscrow} from "./TaskEscrow.sol";

/// @title Settlement
/// @notice See ISettlement.
contract Settlement is ISettlement, AccessManaged, EIP712 {
    using SafeCast for uint256;

    uint256 private constant BPS = 10_000;
    /// @dev Of a debit in calldata: four words.
    uint256 private constant DEBIT_BYTES = 128;
    /// @inheritdoc ISettlement
    uint256 public constant MAX_VERIFIER_BPS = 2_000;
    /// @inheritdoc ISettlement
    uint256 public constant MAX_TREASURY_BPS = 1_000;

    /// @inheritdoc ISettlement
    address public immutable ESCROW;
    /// @inheritdoc ISettlement
    address public immutable VERIFIERS;
    /// @inheritdoc ISettlement
    uint256 public immutable CLOSE_SECONDS;

    /// @inheritdoc ISettlement
    address public treasury;
    uint16 private _verifierBps;
    uint16 private _treasuryBps;
    mapping(uint64 epoch => Pool pool) private _pools;
    /// @inheritdoc ISettlement
    mapping(address facilitator => bytes32 batchId) public heads;

    constructor(Parameters memory parameters) AccessManaged(parameters.authority) EIP712("OPG Settlement", "1") {
        VERIFIERS = parameters.verifierSet;
        CLOSE_SECONDS = parameters.closeSeconds;
        uint256 longestExit = Math.max(
            parameters.maxTaskSeconds + parameters.settleWindowSeconds,
            parameters.withdrawDelaySeconds
        );
        uint256 installDelay = IVerifierSet(VERIFIERS).INSTALL_DELAY_SECONDS();
        if (installDelay <= longestExit) revert InstallDelayTooShort(installDelay, longestExit);
        ESCROW = address(
            new TaskEscrow(
                parameters.token,
                parameters.permit2,
                parameters.authority,
                parameters.maxTaskSeconds,
                parameters.settleWindowSeconds,
                parameters.withdrawDelaySeconds
            )
        );
        _setFees(parameters.verifierBps, parameters.treasuryBps);
        _setTreasury(parameters.treasury);
    }

    /// @inheritdoc ISettlement
    function settle(
        Task calldata task,
        Result calldata result,
        bytes calldata nodeSignature,
        Certificate calldata certificate
    ) external {
        (uint128 nodeAmount, uint128 poolAmount) = _divide(task, result, nodeSignature, certificate);
        ITaskEscrow(ESCROW).charge(result.taskId, task, result.payout, nodeAmount, poolAmount);
    }

    /// @inheritdoc ISettlement
    function capture(
        Task calldata task,
        Result calldata result,
        bytes calldata nodeSignature,
        Certificate calldata certificate,
        Payment calldata payment
    ) external {
        (uint128 nodeAmount, uint128 poolAmount) = _divide(task, result, nodeSignature, certificate);
        ITaskEscrow(ESCROW).capture(result.taskId, task, result.payout, nodeAmount, poolAmount, payment, msg.sender);
    }

    /// @inheritdoc ISettlement
    function refuse(Task calldata task, Result calldata result, Certificate calldata refusals) external {
        bytes32 resultHash = resultHashOf(result);
        _checkCertified(task, resultHash, refusals, false);

        emit TaskRefused(result.taskId, task.node, refusals.epoch, resultHash);
        ITaskEscrow(ESCROW).refuse(result.taskId, task);
    }

    /// @inheritdoc ISettlement
    function settleBatch(
        Batch calldata batch,
        uint64 receipts,
        Debit[] calldata debits,
        Share[] calldata credits,
        bytes calldata signatures
    ) external {
        _checkSubmitter(batch.facilitator);
        bytes32 head = heads[batch.facilitator];
        if (batch.previous != head) revert StaleHead(batch.previous, head);
        bytes32 batchId = batchIdOf(batch);
        IVerifierSet(VERIFIERS).verify(batchId, batch.epoch, signatures);

        heads[batch.facilitator] = batchId;
        (bytes32 debitsDigest, uint256 debited) = _debit(batchId, batch.facilitator, debits);
        if (debitsDigest != batch.debits) revert DebitsMismatch(debitsDigest, batch.debits);
        (bytes32 creditsDigest, uint256 credited, uint256 nodeAmount) = _credit(batchId, receipts, credits);
        if (creditsDigest != batch.credits) revert CreditsMismatch(creditsDigest, batch.credits);
        if (debited != credited) revert UnbalancedBatch(debited, credited);

        uint256 verifierAmount = (debited * _verifierBps) / BPS;
        uint256 treasuryAmount = debited - nodeAmount - verifierAmount;
        _addToPool(_pools[batch.epoch], verifierAmount, treasuryAmount, receipts);
        emit BatchSettled(
            batchId,
            batch.facilitator,
            batch.epoch,
            batch.root,
            receipts,
            nodeAmount,
            verifierAmount,
            treasuryAmount
        );
    }

    /// @inheritdoc ISettlement
    function closeEpoch(
        uint64 epoch,
        address[] calldata verifiers,
        uint64[] calldata counts,
        bytes calldata signatures
    ) external {
        IVerifierSet.Epoch memory record = IVerifierSet(VERIFIERS).epochs(epoch);
        _checkClosable(epoch, record.endedAt, verifiers, counts, signatures);
        Pool memory pool = _pools[epoch];
        if (pool.settledTasks == 0) revert EpochEmpty(epoch);
        _checkCounts(epoch, verifiers, counts, pool.settledTasks);

        uint256 paid = 0;
        address[] memory accounts = new address[](verifiers.length + 1);
        uint256[] memory amounts = new uint256[](verifiers.length + 1);
        for (uint256 i = 0; i < verifiers.length; ++i) {
            accounts[i] = verifiers[i];
            amounts[i] = (uint256(pool.verifierAmount) * counts[i]) / (uint256(pool.settledTasks) * record.size);
            paid += amounts[i];
        }
        uint256 rest = uint256(pool.verifierAmount) - paid + pool.treasuryAmount;
        accounts[verifiers.length] = treasury;
        amounts[verifiers.length] = rest;
        delete _pools[epoch];
        emit EpochClosed(epoch, verifiers, counts, paid, rest);
        ITaskEscrow(ESCROW).credit(accounts, amounts);
    }

    /// @inheritdoc ISettlement
    function setFees(uint256 verifierBps, uint256 treasuryBps) external restricted {
        _setFees(verifierBps, treasuryBps);
    }

    /// @inheritdoc ISettlement
    function setTreasury(address nextTreasury) external restricted {
        _setTreasury(nextTreasury);
    }

    /// @inheritdoc ISettlement
    function pools(uint64 epoch) external view returns (Pool memory) {
        return _pools[epoch];
    }

    /// @inheritdoc ISettlement
    function fees() external view returns (uint256 verifierBps, uint256 treasuryBps) {
        return (_verifierBps, _treasuryBps);
    }

    /// @inheritdoc ISettlement
    function resultHashOf(Result calldata result) public view returns (bytes32) {
        return _hashTypedDataV4(MoneyTypes.hashResult(result));
    }

    /// @inheritdoc ISettlement
    function batchIdOf(Batch calldata batch) public view returns (bytes32) {
        return _hashTypedDataV4(MoneyTypes.hashBatch(batch));
    }

    /// @dev Checks all that is checked of a result that is to be paid, and books the shares of verifiers and treasury.
    function _divide(
        Task calldata task,
        Result calldata result,
        bytes calldata nodeSignature,
        Certificate calldata certificate
    ) private returns (uint128 nodeAmount, uint128 poolAmount) {
        if (result.completedAt > task.deadline) revert CompletedLate(result.completedAt, task.deadline);
        bytes32 resultHash = resultHashOf(result);
        _checkCertified(task, resultHash, certificate, true);
        address signer = ECDSA.recoverCalldata(resultHash, nodeSignature);
        if (signer != task.node) revert NotSignedByNode(signer, task.node);

        uint128 verifierAmount;
        uint128 treasuryAmount;
        (nodeAmount, verifierAmount, treasuryAmount) = _split(result.amount);
        poolAmount = verifierAmount + treasuryAmount;
        _addToPool(_pools[certificate.epoch], verifierAmount, treasuryAmount, 1);
        emit TaskSettled(
            result.taskId,
            task.node,
            certificate.epoch,
            resultHash,
            result.payout,
            nodeAmount,
            verifierAmount,
            treasuryAmount
        );
    }

    function _setFees(uint256 verifierBps, uint256 treasuryBps) private {
        if (verifierBps > MAX_VERIFIER_BPS || treasuryBps > MAX_TREASURY_BPS) {
            revert FeesOutOfBounds(verifierBps, treasuryBps);
        }
        _verifierBps = uint16(verifierBps);
        _treasuryBps = uint16(treasuryBps);
        emit FeesSet(verifierBps, treasuryBps);
    }

    function _setTreasury(address nextTreasury) private {
        if (nextTreasury == address(0)) revert ZeroAddress();
        treasury = nextTreasury;
        emit TreasurySet(nextTreasury);
    }

    function _checkCertified(
        Task calldata task,
        bytes32 resultHash,
        Certificate calldata certificate,
        bool agrees
    ) private view {
        if (certificate.mode != task.policy) revert WrongMode(certificate.mode, task.policy);
        bytes32 verdictHash = MoneyTypes.hashVerdict(resultHash, certificate.epoch, certificate.mode, agrees);
        IVerifierSet(VERIFIERS).verifyWithout(
            task.node,
            _hashTypedDataV4(verdictHash),
            certificate.epoch,
            certificate.signatures
        );
    }

    /// @dev `IAccounts.debit`, with the debits handed on as they came: encoding them anew would cost each payer 200 gas.
    function _debit(
        bytes32 batchId,
        address facilitator,
        Debit[] calldata debits
    ) private returns (bytes32 digest, uint256 total) {
        bytes calldata encoded;
        assembly ("memory-safe") {
            encoded.offset := debits.offset
            encoded.length := mul(debits.length, DEBIT_BYTES)
        }
        bytes memory head = abi.encodeWithSelector(IAccounts.debit.selector, batchId, facilitator, 0x60, debits.length);
        bytes memory answer = Address.functionCall(ESCROW, bytes.concat(head, encoded));
        return abi.decode(answer, (bytes32, uint256));
    }

    /// @dev Every payee's share is rounded down, as a single charge's is; the treasury gets the remainder.
    function _credit(
        bytes32 batchId,
        uint64 receipts,
        Share[] calldata credits
    ) private returns (bytes32 digest, uint256 credited, uint256 nodeAmount) {
        address[] memory payees = new address[](credits.length);
        uint256[] memory amounts = new uint256[](credits.length);
        uint256 nodeBps = BPS - _verifierBps - _treasuryBps;
        address previous = address(0);
        for (uint256 i = 0; i < credits.length; ++i) {
            (address payee, uint96 charge) = (credits[i].account(), credits[i].amount());
            if (payee <= previous) revert PayeesNotAscending(previous, payee);
            (payees[i], amounts[i]) = (payee, (charge * nodeBps) / BPS);
            credited += charge;
            nodeAmount += amounts[i];
            previous = payee;
            emit PayeeCredited(batchId, payee, charge, amounts[i]);
        }
        digest = keccak256(abi.encodePacked(uint256(receipts), credits));
        IAccounts(ESCROW).credit(payees, amounts);
    }

    function _addToPool(
        Pool storage pool,
        uint256 verifierAmount,
        uint256 treasuryAmount,
        uint64 settledTasks
    ) private {
        pool.verifierAmount += verifierAmount.toUint96();
        pool.treasuryAmount += treasuryAmount.toUint96();
        pool.settledTasks += settledTasks;
    }

    function _checkSubmitter(address facilitator) private view {
        if (msg.sender == facilitator) return;
        address entry = ITaskEscrow(ESCROW).entryOf(facilitator);
        bool isSigner = entry.code.length != 0 && IFacilitatorEntry(entry).isSigner(msg.sender);
        if (!isSigner) revert NotTheFacilitator(msg.sender, facilitator);
    }

    /// @dev Nodes and verifiers are rounded down, the treasury gets the remainder.
    function _split(
        uint128 amount
    ) private view returns (uint128 nodeAmount, uint128 verifierAmount, uint128 treasuryAmount) {
        uint256 verifierBps = _verifierBps;
        uint256 nodeBps = BPS - verifierBps - _treasuryBps;
        nodeAmount = uint128((amount * nodeBps) / BPS);
        verifierAmount = uint128((amount * verifierBps) / BPS);
        treasuryAmount = amount - nodeAmount - verifierAmount;
    }

    function _checkClosable(
        uint64 epoch,
        uint256 endedAt,
        address[] calldata verifiers,
        uint64[] calldata counts,
        bytes calldata signatures
    ) private view {
        if (endedAt == 0) revert EpochStillOpen(epoch, 0);
        uint256 closableAt = endedAt + IVerifierSet(VERIFIERS).GRACE_SECONDS() + 1;
        if (verifiers.length != counts.length) revert CountsMismatch(verifiers.length, counts.length);
        bool withoutCertificate = verifiers.length == 0 && signatures.length == 0;
        if (withoutCertificate) closableAt += CLOSE_SECONDS;
        if (block.timestamp < closableAt) revert EpochStillOpen(epoch, closableAt);
        if (withoutCertificate) return;
        bytes32 digest = _hashTypedDataV4(MoneyTypes.hashCounts(epoch, verifiers, counts));
        IVerifierSet(VERIFIERS).verifyAt(digest, epoch, signatures);
    }

    function _checkCounts(
        uint64 epoch,
        address[] calldata verifiers,
        uint64[] calldata counts,
        uint64 settledTasks
    ) private view {
        address previous = address(0);
        for (uint256 i = 0; i < verifiers.length; ++i) {
            address verifier = verifiers[i];
            if (verifier <= previous) revert VerifiersNotAscending(previous, verifier);
            if (!IVerifierSet(VERIFIERS).isMember(epoch, verifier)) revert NotAMember(verifier, epoch);
            if (counts[i] > settledTasks) revert CountAboveTasks(verifier, counts[i], settledTasks);
            previous = verifier;
        }
    }
}
