// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {MoneyTypes} from "./MoneyTypes.sol";

/// @title Who signed a voucher
/// @notice What OpenZeppelin's `ECDSA` and `MessageHashUtils` do in several steps, each with memory of its own: in a batch
/// that is 300 gas more for every payer. Of a few signatures both halves pass, which nobody relies on: a voucher has no
/// other identity than what it says.
library VoucherSigner {
    /// @notice Reads a compact signature over `Voucher(payer, facilitator, cap)`.
    /// @return signer the zero address where the signature is nobody's
    function recover(
        bytes32 domainSeparator,
        address payer,
        address facilitator,
        uint96 cap,
        bytes32 r,
        bytes32 vs
    ) internal view returns (address signer) {
        // Assembly reads no constant of another library, and must not trust the bits above a short value.
        bytes32 typeHash = MoneyTypes.VOUCHER_TYPEHASH;
        (uint256 payerWord, uint256 facilitatorWord, uint256 capWord) = (uint160(payer), uint160(facilitator), cap);
        assembly ("memory-safe") {
            // Nothing here outlives the block, so the free memory is used and not allocated.
            let free := mload(0x40)
            mstore(free, typeHash)
            mstore(add(free, 0x20), payerWord)
            mstore(add(free, 0x40), facilitatorWord)
            mstore(add(free, 0x60), capWord)
            let structHash := keccak256(free, 0x80)

            mstore(free, hex"1901")
            mstore(add(free, 0x02), domainSeparator)
            mstore(add(free, 0x22), structHash)
            mstore(free, keccak256(free, 0x42))

            mstore(add(free, 0x20), add(shr(255, vs), 27))
            mstore(add(free, 0x40), r)
            mstore(add(free, 0x60), shr(1, shl(1, vs)))
            // A signature that recovers to nobody gives no answer.
            mstore(0, 0)
            pop(staticcall(gas(), 1, free, 0x80, 0, 0x20))
            signer := mload(0)
        }
    }
}
