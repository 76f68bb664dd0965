// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Admission} from "../interfaces/INodeRegistry.sol";

/// @title EIP-712 struct hashes of what the evidence contracts check
/// @notice The same types as `packages/protocol/typedData.ts`; a test compares the two.
library EvidenceTypes {
    bytes32 internal constant ADMISSION_TYPEHASH = keccak256(
        "Admission(address node,address operator,address payout,bytes32 measurement,bytes32 tlsKeyHash,bytes32 hpkeKeyHash,bytes32 evidenceHash,uint40 leaseUntil,uint32 sequence,uint64 epoch)"
    );
    bytes32 internal constant REVOCATION_TYPEHASH = keccak256("Revocation(address node,uint64 epoch)");

    function hashAdmission(Admission calldata admission) internal pure returns (bytes32) {
        return keccak256(abi.encode(ADMISSION_TYPEHASH, admission));
    }

    function hashRevocation(address node, uint64 epoch) internal pure returns (bytes32) {
        return keccak256(abi.encode(REVOCATION_TYPEHASH, node, epoch));
    }
}
