// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice The cheat codes that the tests use.
interface Vm {
    function addr(uint256 privateKey) external pure returns (address);
    function sign(uint256 privateKey, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function prank(address sender) external;
    function etch(address target, bytes calldata runtimeCode) external;
    function warp(uint256 timestamp) external;
    function getDeployedCode(string calldata artifact) external view returns (bytes memory runtimeCode);
    function getCode(string calldata artifact) external view returns (bytes memory creationCode);
}

/// @dev Where the test runner answers cheat codes.
Vm constant VM = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

/// @dev Deploys what was built under a name, such as "OPG.sol:OPG". With `new` the compiler would compile it once more for
/// every contract that deploys it.
function deploy(string memory artifact, bytes memory constructorArguments) returns (address deployed) {
    bytes memory creationCode = bytes.concat(VM.getCode(artifact), constructorArguments);
    assembly ("memory-safe") {
        deployed := create(0, add(creationCode, 0x20), mload(creationCode))
    }
    require(deployed != address(0), artifact);
}
