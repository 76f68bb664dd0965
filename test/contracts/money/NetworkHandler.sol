// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ISettlement} from "../../../contracts/interfaces/ISettlement.sol";
import {ICustody} from "../../../contracts/interfaces/ICustody.sol";
import {IVerifierSet} from "../../../contracts/interfaces/IVerifierSet.sol";
import {MoneyWorld} from "./MoneyWorld.sol";
import {VM} from "./Vm.sol";

/// @notice Does at random what people do with the money contracts, and knows of each step whether it had to succeed.
/// What came out otherwise is remembered under the invariant it breaks. Here: what happens to the network as a whole.
abstract contract NetworkHandler is MoneyWorld {
    enum Broken {
        Nothing,
        Conservation,
        Authority,
        Once,
        Exit,
        Isolation,
        Windows,
        Certificates,
        Work,
        Whole,
        Governance,
        Entries
    }

    mapping(Broken invariant => uint256 times) public broken;

    /// @notice Hands over to another set, lets its grace pass or not, and tries to close an epoch.
    function turnEpoch(uint256 start, uint256 counted, bool withCertificate) external {
        _handOver(start);
        if (start % 4 != 0) return;
        VM.warp(block.timestamp + GRACE_SECONDS + 1);
        _closeEpoch(uint64(1 + (counted % VERIFIER_SET.currentEpoch())), counted, withCertificate);
        _closeEpoch(VERIFIER_SET.currentEpoch() - 1, counted, true);
    }

    function govern(uint256 verifierBps, uint256 treasuryBps) external {
        uint256 held = TOKEN.balanceOf(address(ESCROW));
        uint256 earned = _totalEarnings();
        SETTLEMENT.setFees(verifierBps % 2_001, treasuryBps % 1_001);
        ESCROW.setEntriesPaused(verifierBps % 4 == 0);
        _expect(TOKEN.balanceOf(address(ESCROW)) == held && _totalEarnings() == earned, Broken.Governance);
    }

    function pass(uint256 time) external {
        VM.warp(block.timestamp + (time % MAX_TASK_SECONDS) / 4);
    }

    /// @notice Pays somebody what they earned, and then nobody.
    function withdraw(uint256 who) external {
        address account = earner(who);
        uint256 earned = ESCROW.earnings(account);
        uint256 held = TOKEN.balanceOf(account);
        bool withdrawn = _succeeds(address(ESCROW), abi.encodeCall(ICustody.withdraw, (account)));
        _expect(withdrawn == (earned > 0), Broken.Isolation);
        _expect(TOKEN.balanceOf(account) == held + earned, Broken.Conservation);
    }

    function _handOver(uint256 start) private {
        (uint256[] memory keys, address[] memory members) = _set(start);
        uint40 validUntil = uint40(block.timestamp);
        VERIFIER_SET.handover(members, THRESHOLD, validUntil, _signHandover(members, validUntil));
        epochKeys[VERIFIER_SET.currentEpoch()] = keys;
    }

    function _closeEpoch(uint64 epoch, uint256 counted, bool withCertificate) private {
        ISettlement.Pool memory pool = SETTLEMENT.pools(epoch);
        uint256 members = withCertificate ? epochKeys[epoch].length : 0;
        address[] memory verifiers = new address[](members);
        uint64[] memory counts = new uint64[](members);
        for (uint256 i = 0; i < members; ++i) {
            verifiers[i] = VM.addr(epochKeys[epoch][i]);
            counts[i] = uint64((counted >> (8 * i)) % (uint256(pool.settledTasks) + 1));
        }
        uint256 earned = _totalEarnings();
        bytes memory signatures = withCertificate ? _signCounts(epoch, verifiers, counts) : bytes("");
        bytes memory call = abi.encodeCall(ISettlement.closeEpoch, (epoch, verifiers, counts, signatures));
        bool closed = _succeeds(address(SETTLEMENT), call);
        _expect(!closed || (pool.settledTasks > 0 && !_isAccepted(epoch)), Broken.Once);
        uint256 divided = closed ? uint256(pool.verifierAmount) + pool.treasuryAmount : 0;
        _expect(_totalEarnings() == earned + divided, Broken.Conservation);
    }

    function _epoch(bool previous) internal view returns (uint64 epoch) {
        epoch = VERIFIER_SET.currentEpoch();
        if (previous && epoch > 1) --epoch;
    }

    function _isAccepted(uint64 epoch) internal view returns (bool) {
        IVerifierSet.Epoch memory record = VERIFIER_SET.epochs(epoch);
        return record.endedAt == 0 || block.timestamp <= record.endedAt + GRACE_SECONDS;
    }

    function _totalEarnings() internal view returns (uint256 total) {
        for (uint256 i = 0; i < earners(); ++i) total += ESCROW.earnings(earner(i));
    }

    function _succeeds(address target, bytes memory call) internal returns (bool success) {
        (success, ) = target.call(call);
    }

    function _expect(bool holds, Broken invariant) internal {
        if (!holds) ++broken[invariant];
    }
}
