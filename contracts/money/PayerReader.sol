// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAccounts} from "../interfaces/IAccounts.sol";
import {IPayerReader} from "../interfaces/IPayerReader.sol";

/// @title PayerReader
/// @notice See IPayerReader.
contract PayerReader is IPayerReader {
    /// @dev Enough for a token behind a proxy; a hostile one cannot use up the gas of the others.
    uint256 private constant CALL_GAS = 200_000;

    /// @inheritdoc IPayerReader
    address public immutable PERMIT2;

    constructor(address permit2) {
        PERMIT2 = permit2;
    }

    /// @inheritdoc IPayerReader
    function read(
        Wallet[] calldata wallets,
        Word[] calldata words
    ) external view returns (Funds[] memory funds, uint256[] memory bitmaps) {
        funds = new Funds[](wallets.length);
        for (uint256 i = 0; i < wallets.length; ++i) {
            (address token, address payer) = (wallets[i].token, wallets[i].payer);
            funds[i] = Funds({
                balance: _amount(token, abi.encodeWithSignature("balanceOf(address)", payer)),
                allowance: _amount(token, abi.encodeWithSignature("allowance(address,address)", payer, PERMIT2)),
                tokenHasCode: token.code.length != 0,
                payerHasCode: payer.code.length != 0
            });
        }
        bitmaps = new uint256[](words.length);
        for (uint256 i = 0; i < words.length; ++i) {
            bytes memory question = abi.encodeWithSignature(
                "nonceBitmap(address,uint256)",
                words[i].payer,
                words[i].position
            );
            bitmaps[i] = _amount(PERMIT2, question);
        }
    }

    /// @inheritdoc IPayerReader
    function accountsOf(
        address escrow,
        address facilitator,
        address[] calldata payers
    ) external view returns (PrefundedAccount[] memory found) {
        found = new PrefundedAccount[](payers.length);
        for (uint256 i = 0; i < payers.length; ++i) {
            found[i].account = IAccounts(escrow).accounts(payers[i], facilitator);
            found[i].authorizers = IAccounts(escrow).authorizers(payers[i], facilitator);
        }
    }

    /// @dev Whatever does not answer with a word counts as 0. Only 32 bytes of an answer are ever copied.
    function _amount(address target, bytes memory question) private view returns (uint256 amount) {
        assembly ("memory-safe") {
            let ok := staticcall(CALL_GAS, target, add(question, 32), mload(question), 0, 32)
            if and(ok, gt(returndatasize(), 31)) {
                amount := mload(0)
            }
        }
    }
}
