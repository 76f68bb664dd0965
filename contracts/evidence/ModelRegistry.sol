// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IModelRegistry} from "../interfaces/IModelRegistry.sol";

/// @title Models and their versions
/// @notice See IModelRegistry.
contract ModelRegistry is IModelRegistry {
    uint256 private constant MAX_NAME_BYTES = 64;

    mapping(bytes32 modelId => Model model) private _models;
    mapping(bytes32 versionId => Version version) private _versions;
    mapping(bytes32 versionId => string label) private _labels;

    /// @inheritdoc IModelRegistry
    function createModel(bytes32 salt, string calldata name) external returns (bytes32 modelId) {
        _requireName(name);
        modelId = modelIdOf(msg.sender, salt);
        if (_models[modelId].publisher != address(0)) revert ModelExists(modelId);
        _models[modelId] = Model({publisher: msg.sender, name: name});
        emit ModelCreated(modelId, msg.sender, name);
    }

    /// @inheritdoc IModelRegistry
    function publishVersion(Version calldata version, string calldata label) external returns (bytes32 versionId) {
        _requireName(label);
        address publisher = _models[version.modelId].publisher;
        if (publisher == address(0)) revert UnknownModel(version.modelId);
        if (msg.sender != publisher) revert OnlyPublisher(msg.sender, publisher);
        if (version.contentDigest == bytes32(0)) revert ZeroDigest();
        versionId = versionIdOf(version);
        if (_versions[versionId].modelId != bytes32(0)) revert VersionExists(versionId);
        _versions[versionId] = version;
        _labels[versionId] = label;
        emit VersionPublished(versionId, version.modelId, version.contentDigest, label);
    }

    /// @inheritdoc IModelRegistry
    function models(bytes32 modelId) external view returns (Model memory) {
        return _models[modelId];
    }

    /// @inheritdoc IModelRegistry
    function versions(bytes32 versionId) external view returns (Version memory) {
        return _versions[versionId];
    }

    /// @inheritdoc IModelRegistry
    function labelOf(bytes32 versionId) external view returns (string memory) {
        return _labels[versionId];
    }

    /// @inheritdoc IModelRegistry
    function modelIdOf(address publisher, bytes32 salt) public pure returns (bytes32) {
        return keccak256(abi.encode(publisher, salt));
    }

    /// @inheritdoc IModelRegistry
    function versionIdOf(Version calldata version) public pure returns (bytes32) {
        return keccak256(abi.encode(version));
    }

    function _requireName(string calldata name) private pure {
        uint256 length = bytes(name).length;
        if (length == 0 || length > MAX_NAME_BYTES) revert NameOutOfBounds(length);
    }
}
