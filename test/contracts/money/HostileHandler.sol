// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {IAccounts} from "../../../contracts/interfaces/IAccounts.sol";
import {ICustody} from "../../../contracts/interfaces/ICustody.sol";
import {ReentrantToken} from "../../../contracts/mocks/ReentrantToken.sol";
import {RefusingToken} from "../../../contracts/mocks/RefusingToken.sol";
import {BatchHandler} from "./BatchHandler.sol";
import {VM} from "./Vm.sol";

/// @notice Prefunded accounts while the token changes its mind: at times it is OPG, at times it keeps a fee, lies, refuses
/// recipients, or calls back in the middle of a transfer. Balances and approvals stay.
contract HostileHandler is BatchHandler {
    uint256 private constant TOKENS = 5;
    uint256 private constant REFUSING = 3;
    uint256 private constant REENTRANT = 4;

    bytes private _honest;
    uint256 private _present;

    constructor() {
        _honest = address(TOKEN).code;
        TOKEN.transfer(address(TOKEN), PAYER_BALANCE);
        VM.prank(address(TOKEN));
        TOKEN.approve(address(ESCROW), type(uint256).max);
    }

    /// @notice Makes another token of it, honest every other time; what it is refuses somebody, or nobody any more.
    function changeToken(uint256 seed) external {
        uint256 dice = _dice(seed);
        _present = dice % 2 == 0 ? 0 : (dice >> 8) % TOKENS;
        VM.etch(address(TOKEN), _codeNow());
        if (_present != REFUSING) return;
        RefusingToken refusing = RefusingToken(address(TOKEN));
        for (uint256 i = 0; i < HOLDERS; ++i) refusing.setRefused(holders[i], (dice >> (16 + i)) % 2 == 0);
        refusing.setRefused(address(ESCROW), (dice >> 24) % 2 == 0);
    }

    /// @notice In the middle of a deposit or a payment the token calls the escrow: for somebody else's withdrawal, or with a
    /// deposit of its own.
    function reenter(uint256 seed) external {
        uint256 dice = _dice(seed);
        (_present, dice) = (REENTRANT, dice >> 1);
        VM.etch(address(TOKEN), _codeNow());
        (address holder, address desk) = (holders[dice % HOLDERS], facilitator(dice >> 8));
        uint96 amount = uint96((dice >> 16) % 1e22) + 1;
        bool isDeposit = (dice >> 112) % 3 == 0;
        ReentrantToken token = ReentrantToken(address(TOKEN));
        token.arm(
            address(ESCROW),
            isDeposit
                ? abi.encodeCall(IAccounts.deposit, (holder, desk, amount))
                : abi.encodeCall(IAccounts.finalizeWithdraw, (holder, desk))
        );
        bool done = _outer(dice >> 120, desk, amount);
        if (done && token.reentered() && token.succeeded()) {
            if (isDeposit) _bookDeposit(address(TOKEN), holder, desk, amount);
            else _bookFinalized(holder, desk);
        }
        token.arm(address(0), "");
    }

    function _codeNow() private view returns (bytes memory) {
        if (_present == 0) return _honest;
        string[3] memory names = [
            "FeeToken.sol:FeeToken",
            "LyingToken.sol:LyingToken",
            "RefusingToken.sol:RefusingToken"
        ];
        return VM.getDeployedCode(_present == REENTRANT ? "ReentrantToken.sol:ReentrantToken" : names[_present - 1]);
    }

    /// @dev What goes on while the token calls back.
    function _outer(uint256 dice, address desk, uint96 amount) private returns (bool) {
        address holder = holders[dice % HOLDERS];
        if ((dice >> 8) % 3 == 0) return _finalize(holder, desk);
        if ((dice >> 8) % 3 == 1) {
            Way way = (dice >> 16) % 2 == 0 ? Way.Approval : Way.Permit2;
            return _deposit(Deposit(way, holder, holder, desk, amount), false);
        }
        return _succeeds(address(ESCROW), abi.encodeCall(ICustody.withdraw, (earner(dice >> 16))));
    }

    /// @dev No other token here takes signatures itself.
    function _wayOf(address funder, uint256 dice) internal view override returns (Way) {
        if (_present == 0) return super._wayOf(funder, dice);
        return dice % 2 == 0 ? Way.Approval : Way.Permit2;
    }
}
