// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Create2} from "@openzeppelin/contracts/utils/Create2.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {IVerifierSet} from "../interfaces/IVerifierSet.sol";
import {MoneyTypes} from "../libraries/MoneyTypes.sol";

/// @title VerifierSet
/// @notice See IVerifierSet.
contract VerifierSet is IVerifierSet, AccessManaged, EIP712 {
    using SafeCast for uint256;

    /// @dev One slot. The members stand in the code at `list`: one cold account instead of one cold slot per signer.
    struct Record {
        address list;
        uint16 threshold;
        uint40 beganAt;
        uint40 endedAt;
    }

    uint256 private constant SIGNATURE_BYTES = 65;

    /// @inheritdoc IVerifierSet
    uint256 public immutable GRACE_SECONDS;
    /// @inheritdoc IVerifierSet
    uint256 public immutable INSTALL_DELAY_SECONDS;

    /// @inheritdoc IVerifierSet
    uint64 public currentEpoch;
    mapping(uint64 epoch => Record record) private _records;
    /// @inheritdoc IVerifierSet
    mapping(bytes32 nextSet => uint256 timestamp) public installableAt;

    constructor(
        address[] memory firstMembers,
        uint256 threshold,
        uint256 graceSeconds,
        uint256 installDelaySeconds,
        address authority
    ) AccessManaged(authority) EIP712("OPG VerifierSet", "1") {
        GRACE_SECONDS = graceSeconds;
        INSTALL_DELAY_SECONDS = installDelaySeconds;
        _begin(firstMembers, threshold);
    }

    /// @inheritdoc IVerifierSet
    function handover(
        address[] calldata nextMembers,
        uint256 threshold,
        uint40 validUntil,
        bytes calldata signatures
    ) external {
        if (block.timestamp > validUntil) revert HandoverExpired(validUntil);
        uint64 epoch = currentEpoch;
        Record memory record = _records[epoch];
        bytes32 handoverHash = MoneyTypes.hashHandover(
            networkId(),
            epoch,
            setHash(_read(record.list), record.threshold),
            setHash(nextMembers, threshold),
            validUntil
        );
        _checkSignatures(record, epoch, _hashTypedDataV4(handoverHash), signatures, address(0));
        _begin(nextMembers, threshold);
    }

    /// @inheritdoc IVerifierSet
    function scheduleInstallation(address[] calldata nextMembers, uint256 threshold) external restricted {
        _checkSet(nextMembers, threshold);
        bytes32 nextSet = setHash(nextMembers, threshold);
        uint256 timestamp = block.timestamp + INSTALL_DELAY_SECONDS;
        installableAt[nextSet] = timestamp;
        emit InstallationScheduled(nextSet, timestamp);
    }

    /// @inheritdoc IVerifierSet
    function cancelInstallation(bytes32 nextSet) external restricted {
        if (installableAt[nextSet] == 0) revert NothingScheduled(nextSet);
        delete installableAt[nextSet];
        emit InstallationCancelled(nextSet);
    }

    /// @inheritdoc IVerifierSet
    function install(address[] calldata nextMembers, uint256 threshold) external {
        bytes32 nextSet = setHash(nextMembers, threshold);
        uint256 timestamp = installableAt[nextSet];
        if (timestamp == 0) revert NothingScheduled(nextSet);
        if (block.timestamp < timestamp) revert InstallationTooEarly(timestamp);
        delete installableAt[nextSet];
        _begin(nextMembers, threshold);
    }

    /// @inheritdoc IVerifierSet
    function verify(bytes32 digest, uint64 epoch, bytes calldata signatures) external view {
        _checkSignatures(_acceptedRecord(epoch), epoch, digest, signatures, address(0));
    }

    /// @inheritdoc IVerifierSet
    function verifyWithout(address excluded, bytes32 digest, uint64 epoch, bytes calldata signatures) external view {
        _checkSignatures(_acceptedRecord(epoch), epoch, digest, signatures, excluded);
    }

    /// @inheritdoc IVerifierSet
    function verifyAt(bytes32 digest, uint64 epoch, bytes calldata signatures) external view {
        _checkSignatures(_knownRecord(epoch), epoch, digest, signatures, address(0));
    }

    /// @inheritdoc IVerifierSet
    function epochs(uint64 epoch) external view returns (Epoch memory) {
        Record memory record = _records[epoch];
        return
            Epoch({
                threshold: record.threshold,
                size: uint64(_read(record.list).length),
                beganAt: record.beganAt,
                endedAt: record.endedAt
            });
    }

    /// @inheritdoc IVerifierSet
    function isMember(uint64 epoch, address verifier) external view returns (bool) {
        address[] memory list = _read(_records[epoch].list);
        return _indexOf(verifier, list, 0) < list.length;
    }

    /// @inheritdoc IVerifierSet
    function members() external view returns (address[] memory) {
        return _read(_records[currentEpoch].list);
    }

    /// @inheritdoc IVerifierSet
    function networkId() public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this)));
    }

    /// @inheritdoc IVerifierSet
    function setHash(address[] memory ofMembers, uint256 threshold) public pure returns (bytes32) {
        return keccak256(abi.encode(ofMembers, threshold));
    }

    function _begin(address[] memory nextMembers, uint256 threshold) private {
        _checkSet(nextMembers, threshold);
        uint64 epoch = currentEpoch + 1;
        currentEpoch = epoch;
        if (epoch > 1) _records[epoch - 1].endedAt = uint40(block.timestamp);
        _records[epoch] = Record({
            list: _write(nextMembers, epoch),
            threshold: threshold.toUint16(),
            beganAt: uint40(block.timestamp),
            endedAt: 0
        });
        emit EpochBegan(epoch, nextMembers, threshold);
    }

    /// @dev The code is data and cannot run: an encoded array begins with a zero byte, which is STOP.
    function _write(address[] memory list, uint64 epoch) private returns (address) {
        bytes memory data = abi.encode(list);
        // PUSH2 length DUP1 PUSH1 10 RETURNDATASIZE CODECOPY RETURNDATASIZE RETURN: creates what stands behind it.
        bytes memory creationCode = abi.encodePacked(hex"61", data.length.toUint16(), hex"80600a3d393df3", data);
        return Create2.deploy(0, bytes32(uint256(epoch)), creationCode);
    }

    /// @dev The code from its second word on is the array as memory has it; no members where there is no code. Plain
    /// `abi.decode(list.code, (address[]))` would cost every certificate 800 gas more.
    function _read(address list) private view returns (address[] memory found) {
        assembly ("memory-safe") {
            let size := extcodesize(list)
            if size {
                found := mload(0x40)
                extcodecopy(list, found, 0x20, sub(size, 0x20))
                mstore(0x40, add(found, sub(size, 0x20)))
            }
        }
    }

    /// @dev Looks for `member` in an ascending list from `index` on; the length of the list where it is missing.
    function _indexOf(address member, address[] memory list, uint256 index) private pure returns (uint256) {
        for (; index < list.length; ++index) {
            address candidate = list[index];
            if (candidate == member) return index;
            if (candidate > member) return list.length;
        }
        return index;
    }

    function _checkSet(address[] memory nextMembers, uint256 threshold) private pure {
        uint256 size = nextMembers.length;
        if (size == 0) revert EmptySet();
        if (threshold <= size / 2 || threshold > size) revert ThresholdOutOfBounds(threshold, size);
        address previous = address(0);
        for (uint256 i = 0; i < size; ++i) {
            if (nextMembers[i] <= previous) revert MembersNotAscending(previous, nextMembers[i]);
            previous = nextMembers[i];
        }
    }

    function _knownRecord(uint64 epoch) private view returns (Record memory record) {
        record = _records[epoch];
        if (record.beganAt == 0) revert UnknownEpoch(epoch);
    }

    function _acceptedRecord(uint64 epoch) private view returns (Record memory record) {
        record = _knownRecord(epoch);
        if (record.endedAt == 0) return record;
        bool inGrace = epoch + 1 == currentEpoch && block.timestamp <= record.endedAt + GRACE_SECONDS;
        if (!inGrace) revert EpochNotAccepted(epoch, currentEpoch);
    }

    function _checkSignatures(
        Record memory record,
        uint64 epoch,
        bytes32 digest,
        bytes calldata signatures,
        address excluded
    ) private view {
        if (signatures.length % SIGNATURE_BYTES != 0) revert MalformedSignatures(signatures.length);
        uint256 given = signatures.length / SIGNATURE_BYTES;
        if (given < record.threshold) revert TooFewSignatures(given, record.threshold);

        address[] memory list = _read(record.list);
        uint256 next = 0;
        address previous = address(0);
        for (uint256 start = 0; start < signatures.length; start += SIGNATURE_BYTES) {
            address signer = ECDSA.recoverCalldata(digest, signatures[start:start + SIGNATURE_BYTES]);
            if (signer <= previous) revert SignersNotAscending(previous, signer);
            if (signer == excluded) revert SignerExcluded(signer);
            next = _indexOf(signer, list, next);
            if (next == list.length) revert NotAMember(signer, epoch);
            previous = signer;
        }
    }
}
