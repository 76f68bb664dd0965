// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @title The home set of verifiers
/// @notice Knows who may certify in which epoch. Epochs start at 1; each handover or installation begins the next one.
/// @dev A certificate is a concatenation of 65-byte ECDSA signatures over one digest, ascending by signer address, at
/// least `threshold` of them. One signature that is malformed, doubled, out of order or not a member's refuses the whole.
/// @custom:warning Members must keep a record of what they signed: this contract cannot know whether a digest was
/// certified before.
interface IVerifierSet {
    struct Epoch {
        uint64 threshold;
        uint64 size;
        /// @dev Seconds since 1970 at which the epoch began; 0 for an epoch that never was.
        uint64 beganAt;
        /// @dev Seconds since 1970 at which the next epoch began; 0 for the current one.
        uint64 endedAt;
    }

    /// @notice A new set is in force, by handover or by installation.
    event EpochBegan(uint64 indexed epoch, address[] members, uint256 threshold);
    /// @notice Governance announced a set that may be installed from `installableAt` on.
    event InstallationScheduled(bytes32 indexed nextSet, uint256 installableAt);
    /// @notice Governance took the announcement back.
    event InstallationCancelled(bytes32 indexed nextSet);

    error EmptySet();
    /// @dev Members must ascend strictly by address and not hold the zero address.
    error MembersNotAscending(address previous, address next);
    /// @dev A threshold lies above half of the size and not above the size.
    error ThresholdOutOfBounds(uint256 threshold, uint256 size);
    error EpochNotAccepted(uint64 epoch, uint64 currentEpoch);
    error UnknownEpoch(uint64 epoch);
    error TooFewSignatures(uint256 given, uint256 threshold);
    error MalformedSignatures(uint256 length);
    error SignersNotAscending(address previous, address next);
    error NotAMember(address signer, uint64 epoch);
    /// @dev A member that certifies about itself.
    error SignerExcluded(address signer);
    error HandoverExpired(uint40 validUntil);
    error NothingScheduled(bytes32 nextSet);
    error InstallationTooEarly(uint256 installableAt);

    /// @notice Reverts unless `signatures` certify `digest` under the current epoch, or under the one before it for
    /// `GRACE_SECONDS` after its end.
    function verify(bytes32 digest, uint64 epoch, bytes calldata signatures) external view;

    /// @notice As `verify`, and reverts where `excluded` is among the signers: nobody certifies about itself.
    function verifyWithout(address excluded, bytes32 digest, uint64 epoch, bytes calldata signatures) external view;

    /// @notice Reverts unless `signatures` certify `digest` under the set of `epoch`, however long ago that was.
    /// @custom:warning Only for what concerns that past epoch alone, such as dividing its own pool.
    function verifyAt(bytes32 digest, uint64 epoch, bytes calldata signatures) external view;

    /// @notice Begins the next epoch with `members`, under a certificate of the current set over
    /// `Handover(networkId, epoch, previousSet, nextSet, validUntil)`; `epoch` is the current one.
    function handover(
        address[] calldata members,
        uint256 threshold,
        uint40 validUntil,
        bytes calldata signatures
    ) external;

    /// @notice Governance announces a set, for the case that the current one cannot hand over any more. The announcement
    /// stands until it is installed or taken back: a handover in between does not end it, or a set that went bad could
    /// stay by handing over to itself.
    function scheduleInstallation(address[] calldata members, uint256 threshold) external;

    /// @notice Governance takes an announcement back.
    function cancelInstallation(bytes32 nextSet) external;

    /// @notice Anyone installs an announced set once `INSTALL_DELAY_SECONDS` have passed, longer than every exit takes.
    function install(address[] calldata members, uint256 threshold) external;

    /// @notice The epoch in force.
    function currentEpoch() external view returns (uint64);
    /// @notice Terms of an epoch; all zero for one that never was.
    function epochs(uint64 epoch) external view returns (Epoch memory);
    /// @notice Whether `verifier` belongs to the set of `epoch`, however long ago that was.
    function isMember(uint64 epoch, address verifier) external view returns (bool);
    /// @notice Members of the current set, ascending.
    function members() external view returns (address[] memory);
    /// @notice When an announced set may be installed, seconds since 1970; 0 where nothing is announced.
    function installableAt(bytes32 nextSet) external view returns (uint256);
    /// @notice `keccak256(abi.encode(members, threshold))`
    function setHash(address[] calldata members, uint256 threshold) external pure returns (bytes32);
    /// @notice `keccak256(abi.encode(block.chainid, address(this)))`: what a handover is bound to.
    function networkId() external view returns (bytes32);
    /// @notice How long the certificates of an epoch are accepted after its end.
    function GRACE_SECONDS() external view returns (uint256);
    /// @notice How long an announced set waits before it can be installed.
    function INSTALL_DELAY_SECONDS() external view returns (uint256);
}
