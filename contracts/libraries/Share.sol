// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

/// @notice What one account takes part in a batch with: `account << 96 | amount`. The digests that a batch is certified with
/// are over these words as they are; two fields would be put together again for every payer.
type Share is bytes32;

using ShareLibrary for Share global;

/// @title The two halves of a share
/// @notice Whose it is, and how much in atomic units.
library ShareLibrary {
    function account(Share share) internal pure returns (address) {
        return address(bytes20(Share.unwrap(share)));
    }

    function amount(Share share) internal pure returns (uint96) {
        return uint96(uint256(Share.unwrap(share)));
    }
}
