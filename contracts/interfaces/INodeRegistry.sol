// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice A node's entry: signed by its enclave and by a quorum of verifiers, both over the same digest.
struct Admission {
    address node;
    address operator;
    address payout;
    bytes32 measurement;
    bytes32 tlsKeyHash;
    bytes32 hpkeKeyHash;
    bytes32 evidenceHash;
    uint40 leaseUntil;
    uint32 sequence;
    uint64 epoch;
}

/// @title Nodes whose identity was made inside an enclave
/// @notice Keyed by the enclave's signing address. An operator owns the machine, not the identity: it can announce a URL
/// and retire the node, and change nothing else.
/// @dev Domain "OPG NodeRegistry", version "1".
/// @custom:warning Being listed says that a quorum checked the evidence. What the evidence is worth depends on its kind
/// and on the approved measurements.
interface INodeRegistry {
    enum Status {
        None,
        Active,
        Retired,
        Revoked
    }

    struct Node {
        address operator;
        uint40 leaseUntil;
        uint32 sequence;
        Status status;
        address payout;
        bytes32 measurement;
        /// @dev Block of the newest `NodeAdmitted` of this node: there stand HPKE key and evidence, which no contract reads.
        uint64 admittedInBlock;
        bytes32 tlsKeyHash;
    }

    /// @notice From `from` until just before `until`, seconds since 1970; both 0 where never approved.
    struct Window {
        uint40 from;
        uint40 until;
    }

    /// @notice A node was admitted, or its lease renewed.
    event NodeAdmitted(
        address indexed node,
        address indexed operator,
        bytes32 indexed measurement,
        address payout,
        bytes32 tlsKeyHash,
        bytes32 hpkeKeyHash,
        bytes32 evidenceHash,
        uint40 leaseUntil,
        uint32 sequence
    );
    /// @notice The operator says that the node is reached at `url`.
    event NodeAnnounced(address indexed node, string url);
    /// @notice The operator ended the node for good.
    event NodeRetired(address indexed node);
    /// @notice The verifiers ended the node for good.
    event NodeRevoked(address indexed node);
    /// @notice Governance set the window of a measurement.
    event MeasurementSet(bytes32 indexed measurement, uint40 from, uint40 until);
    /// @notice Governance stopped or resumed `admit`.
    event AdmissionsPausedSet(bool paused);

    error ZeroAddress();
    error ZeroMeasurement();
    error AdmissionsPaused();
    error MeasurementNotApproved(bytes32 measurement);
    error LeaseOutOfBounds(uint40 leaseUntil, uint256 latest);
    error SequenceNotNext(uint32 sequence, uint32 expected);
    error NotSignedByEnclave(address signer, address node);
    error IdentityChanged(address node);
    error NodeIsFinal(address node, Status status);
    error UnknownNode(address node);
    error OnlyOperator(address caller, address operator);
    error WindowReversed(uint40 from, uint40 until);
    error UrlTooLong(uint256 length);

    /// @notice Admits a node or renews its lease. Operator, payout, measurement and TLS key of an admitted node never
    /// change; a renewal may bring a new HPKE key. Anyone may submit it.
    /// @param enclaveSignature the node's own signature over the admission, 65 bytes
    /// @param certificate signatures of a quorum of `admission.epoch` over the same digest, as IVerifierSet takes them
    function admit(Admission calldata admission, bytes calldata enclaveSignature, bytes calldata certificate) external;

    /// @notice The operator says where the node is reached; at most 256 bytes.
    function announce(address node, string calldata url) external;

    /// @notice The operator ends the node for good.
    function retire(address node) external;

    /// @notice Verifiers end the node for good, by a certificate over `Revocation(node, epoch)`.
    function revoke(address node, uint64 epoch, bytes calldata certificate) external;

    /// @notice Governance opens, moves or ends the window of a measurement; ending one stops every node under it at once.
    function setMeasurement(bytes32 measurement, uint40 from, uint40 until) external;
    /// @notice Governance stops or resumes `admit`; nothing else ever stops.
    function setAdmissionsPaused(bool paused) external;

    /// @notice Whether the node may take new tasks now: active, within its lease, under an approved measurement.
    function isActive(address node) external view returns (bool);
    /// @notice A node as it is registered; all zero where it never was.
    function nodes(address node) external view returns (Node memory);
    /// @notice Where the node is reached; empty until its operator announces it.
    function urlOf(address node) external view returns (string memory);
    /// @notice Window of a measurement.
    function measurements(bytes32 measurement) external view returns (Window memory);
    /// @notice Whether governance has stopped `admit`.
    function admissionsPaused() external view returns (bool);
    /// @notice What enclave and verifiers sign to admit.
    function admissionHashOf(Admission calldata admission) external view returns (bytes32);
    /// @notice What verifiers sign to revoke.
    function revocationHashOf(address node, uint64 epoch) external view returns (bytes32);
    /// @notice VerifierSet whose certificates admit and revoke.
    function VERIFIERS() external view returns (address);
    /// @notice The longest lease that an admission may ask for.
    function MAX_LEASE_SECONDS() external view returns (uint256);
}
