// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice Price of a version, in atomic units of the token; see the meter of the protocol.
struct Meter {
    uint128 base;
    uint64 perInputByte;
    uint64 perOutputByte;
}

/// @title Models and their versions
/// @notice Append-only: a published version never changes, price and execution profile included, because its id is a hash
/// of all of it. `modelId = keccak256(abi.encode(publisher, salt))`, `versionId = keccak256(abi.encode(modelId,
/// contentDigest, storageId, format, profile, base, perInputByte, perOutputByte))`.
/// @custom:warning Names and labels are what a publisher chose and are not unique; ids are.
interface IModelRegistry {
    struct Model {
        address publisher;
        string name;
    }

    struct Version {
        bytes32 modelId;
        /// @dev SHA-256 of the file.
        bytes32 contentDigest;
        /// @dev Walrus blob id of the file.
        bytes32 storageId;
        /// @dev ASCII, padded with zeros on the right: "onnx".
        bytes32 format;
        /// @dev Digest of the execution profile.
        bytes32 profile;
        Meter meter;
    }

    /// @notice `publisher` created a model.
    event ModelCreated(bytes32 indexed modelId, address indexed publisher, string name);
    /// @notice The publisher of a model added a version to it.
    event VersionPublished(
        bytes32 indexed versionId,
        bytes32 indexed modelId,
        bytes32 indexed contentDigest,
        string label
    );

    error NameOutOfBounds(uint256 length);
    error ModelExists(bytes32 modelId);
    error UnknownModel(bytes32 modelId);
    error OnlyPublisher(address caller, address publisher);
    error VersionExists(bytes32 versionId);
    error ZeroDigest();

    /// @notice Creates a model of the caller's; the name has 1 to 64 bytes.
    function createModel(bytes32 salt, string calldata name) external returns (bytes32 modelId);

    /// @notice Adds a version to a model of the caller's; the label has 1 to 64 bytes.
    function publishVersion(Version calldata version, string calldata label) external returns (bytes32 versionId);

    /// @notice A model; all zero where none has this id.
    function models(bytes32 modelId) external view returns (Model memory);
    /// @notice A version; all zero where none has this id.
    function versions(bytes32 versionId) external view returns (Version memory);
    /// @notice What the publisher calls the version.
    function labelOf(bytes32 versionId) external view returns (string memory);
    /// @notice `keccak256(abi.encode(publisher, salt))`
    function modelIdOf(address publisher, bytes32 salt) external pure returns (bytes32);
    /// @notice `keccak256` over all of the version, see above.
    function versionIdOf(Version calldata version) external pure returns (bytes32);
}
