// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Admission, INodeRegistry} from "../interfaces/INodeRegistry.sol";
import {IVerifierSet} from "../interfaces/IVerifierSet.sol";
import {EvidenceTypes} from "../libraries/EvidenceTypes.sol";

/// @title Nodes whose identity was made inside an enclave
/// @notice See INodeRegistry.
contract NodeRegistry is INodeRegistry, AccessManaged, EIP712 {
    /// @dev Three slots: what this contract itself compares. The rest of an admission is in its event, which
    /// `admittedInBlock` finds. The measurement is kept as its number, so that it shares the payout's slot.
    struct Entry {
        address operator;
        uint40 leaseUntil;
        uint32 sequence;
        Status status;
        address payout;
        uint32 measurementNumber;
        uint64 admittedInBlock;
        bytes32 tlsKeyHash;
    }

    /// @dev One slot. Numbers start at 1; 0 is a measurement that was never set.
    struct Approval {
        uint40 from;
        uint40 until;
        uint32 number;
    }

    uint256 private constant MAX_URL_BYTES = 256;

    /// @inheritdoc INodeRegistry
    address public immutable VERIFIERS;
    /// @inheritdoc INodeRegistry
    uint256 public immutable MAX_LEASE_SECONDS;

    mapping(address node => Entry entry) private _entries;
    mapping(address node => string url) private _urls;
    mapping(bytes32 measurement => Approval approval) private _approvals;
    mapping(uint32 number => bytes32 measurement) private _measurementOf;
    uint32 private _measurementCount;
    /// @inheritdoc INodeRegistry
    bool public admissionsPaused;

    constructor(
        address verifierSet,
        address authority,
        uint256 maxLeaseSeconds
    ) AccessManaged(authority) EIP712("OPG NodeRegistry", "1") {
        if (verifierSet == address(0) || authority == address(0)) revert ZeroAddress();
        VERIFIERS = verifierSet;
        MAX_LEASE_SECONDS = maxLeaseSeconds;
    }

    /// @inheritdoc INodeRegistry
    function admit(Admission calldata admission, bytes calldata enclaveSignature, bytes calldata certificate) external {
        if (admissionsPaused) revert AdmissionsPaused();
        uint32 measurementNumber = _checkTerms(admission);
        Entry storage entry = _entries[admission.node];
        _checkEntry(entry, admission, measurementNumber);
        _checkSignatures(admission, enclaveSignature, certificate);
        _record(entry, admission, measurementNumber);
        _emitAdmitted(admission);
    }

    /// @inheritdoc INodeRegistry
    function announce(address node, string calldata url) external {
        _requireOperator(node);
        if (bytes(url).length > MAX_URL_BYTES) revert UrlTooLong(bytes(url).length);
        _urls[node] = url;
        emit NodeAnnounced(node, url);
    }

    /// @inheritdoc INodeRegistry
    function retire(address node) external {
        _requireOperator(node);
        _entries[node].status = Status.Retired;
        emit NodeRetired(node);
    }

    /// @inheritdoc INodeRegistry
    function revoke(address node, uint64 epoch, bytes calldata certificate) external {
        _requireActive(node, _entries[node].status);
        IVerifierSet(VERIFIERS).verify(revocationHashOf(node, epoch), epoch, certificate);
        _entries[node].status = Status.Revoked;
        emit NodeRevoked(node);
    }

    /// @inheritdoc INodeRegistry
    function setMeasurement(bytes32 measurement, uint40 from, uint40 until) external restricted {
        if (measurement == bytes32(0)) revert ZeroMeasurement();
        if (from > until) revert WindowReversed(from, until);
        Approval storage approval = _approvals[measurement];
        if (approval.number == 0) {
            approval.number = ++_measurementCount;
            _measurementOf[approval.number] = measurement;
        }
        approval.from = from;
        approval.until = until;
        emit MeasurementSet(measurement, from, until);
    }

    /// @inheritdoc INodeRegistry
    function setAdmissionsPaused(bool paused) external restricted {
        admissionsPaused = paused;
        emit AdmissionsPausedSet(paused);
    }

    /// @inheritdoc INodeRegistry
    function isActive(address node) external view returns (bool) {
        Entry storage entry = _entries[node];
        return
            entry.status == Status.Active &&
            block.timestamp < entry.leaseUntil &&
            _isOpen(_approvals[_measurementOf[entry.measurementNumber]]);
    }

    /// @inheritdoc INodeRegistry
    function nodes(address node) external view returns (Node memory) {
        Entry storage entry = _entries[node];
        return
            Node({
                operator: entry.operator,
                leaseUntil: entry.leaseUntil,
                sequence: entry.sequence,
                status: entry.status,
                payout: entry.payout,
                measurement: _measurementOf[entry.measurementNumber],
                admittedInBlock: entry.admittedInBlock,
                tlsKeyHash: entry.tlsKeyHash
            });
    }

    /// @inheritdoc INodeRegistry
    function urlOf(address node) external view returns (string memory) {
        return _urls[node];
    }

    /// @inheritdoc INodeRegistry
    function measurements(bytes32 measurement) external view returns (Window memory) {
        Approval storage approval = _approvals[measurement];
        return Window({from: approval.from, until: approval.until});
    }

    /// @inheritdoc INodeRegistry
    function admissionHashOf(Admission calldata admission) public view returns (bytes32) {
        return _hashTypedDataV4(EvidenceTypes.hashAdmission(admission));
    }

    /// @inheritdoc INodeRegistry
    function revocationHashOf(address node, uint64 epoch) public view returns (bytes32) {
        return _hashTypedDataV4(EvidenceTypes.hashRevocation(node, epoch));
    }

    function _checkTerms(Admission calldata admission) private view returns (uint32 measurementNumber) {
        uint256 latest = block.timestamp + MAX_LEASE_SECONDS;
        if (admission.leaseUntil <= block.timestamp || admission.leaseUntil > latest) {
            revert LeaseOutOfBounds(admission.leaseUntil, latest);
        }
        Approval memory approval = _approvals[admission.measurement];
        if (!_isOpen(approval)) revert MeasurementNotApproved(admission.measurement);
        return approval.number;
    }

    function _checkEntry(Entry storage entry, Admission calldata admission, uint32 measurementNumber) private view {
        if (entry.status == Status.None) {
            if (admission.operator == address(0) || admission.payout == address(0)) revert ZeroAddress();
        } else {
            _requireActive(admission.node, entry.status);
            if (
                entry.operator != admission.operator ||
                entry.payout != admission.payout ||
                entry.measurementNumber != measurementNumber ||
                entry.tlsKeyHash != admission.tlsKeyHash
            ) revert IdentityChanged(admission.node);
        }
        uint32 expectedSequence = entry.sequence + 1;
        if (admission.sequence != expectedSequence) revert SequenceNotNext(admission.sequence, expectedSequence);
    }

    function _checkSignatures(
        Admission calldata admission,
        bytes calldata enclaveSignature,
        bytes calldata certificate
    ) private view {
        bytes32 digest = admissionHashOf(admission);
        (address signer, , ) = ECDSA.tryRecoverCalldata(digest, enclaveSignature);
        if (signer == address(0) || signer != admission.node) revert NotSignedByEnclave(signer, admission.node);
        IVerifierSet(VERIFIERS).verify(digest, admission.epoch, certificate);
    }

    function _record(Entry storage entry, Admission calldata admission, uint32 measurementNumber) private {
        if (entry.status == Status.None) {
            entry.operator = admission.operator;
            entry.status = Status.Active;
            entry.payout = admission.payout;
            entry.measurementNumber = measurementNumber;
            entry.tlsKeyHash = admission.tlsKeyHash;
        }
        entry.leaseUntil = admission.leaseUntil;
        entry.sequence = admission.sequence;
        entry.admittedInBlock = uint64(block.number);
    }

    /// @dev Apart from `admit` because nine values and its arguments do not fit the stack together.
    function _emitAdmitted(Admission calldata admission) private {
        emit NodeAdmitted(
            admission.node,
            admission.operator,
            admission.measurement,
            admission.payout,
            admission.tlsKeyHash,
            admission.hpkeKeyHash,
            admission.evidenceHash,
            admission.leaseUntil,
            admission.sequence
        );
    }

    function _isOpen(Approval memory approval) private view returns (bool) {
        return approval.from <= block.timestamp && block.timestamp < approval.until;
    }

    function _requireOperator(address node) private view {
        Entry storage entry = _entries[node];
        _requireActive(node, entry.status);
        if (msg.sender != entry.operator) revert OnlyOperator(msg.sender, entry.operator);
    }

    function _requireActive(address node, Status status) private pure {
        if (status == Status.None) revert UnknownNode(node);
        if (status != Status.Active) revert NodeIsFinal(node, status);
    }
}
