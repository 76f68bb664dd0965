// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ISignatureTransfer} from "@uniswap/v4-periphery/lib/permit2/src/interfaces/ISignatureTransfer.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {IAccounts} from "../../../contracts/interfaces/IAccounts.sol";
import {Certificate, ISettlement, Result} from "../../../contracts/interfaces/ISettlement.sol";
import {ITaskEscrow, Payment, Task} from "../../../contracts/interfaces/ITaskEscrow.sol";
import {IVerifierSet} from "../../../contracts/interfaces/IVerifierSet.sol";
import {IX402UptoPermit2Proxy} from "../../../contracts/interfaces/IX402UptoPermit2Proxy.sol";
import {MoneyTypes} from "../../../contracts/libraries/MoneyTypes.sol";
import {deploy, VM} from "./Vm.sol";

interface IDomainSeparator {
    function DOMAIN_SEPARATOR() external view returns (bytes32);
}

// What was built is deployed by its name and used by its interfaces: to import it would compile all of it once more.

interface IToken is IERC20, IERC20Permit {}

interface IEscrow is ITaskEscrow, IAccounts {}

/// @notice The money contracts with the real Permit2, and everybody's keys: payers, nodes, five verifiers of whom three
/// make a set. Is a facilitator itself, with an entry. Knows how to sign, not what to do.
abstract contract MoneyWorld {
    uint256 public constant MAX_TASK_SECONDS = 600;
    uint256 public constant SETTLE_WINDOW_SECONDS = 60;
    uint256 public constant WITHDRAW_DELAY_SECONDS = 240;
    uint256 public constant GRACE_SECONDS = 300;
    uint256 public constant CLOSE_SECONDS = 500;
    uint256 public constant PAYER_BALANCE = 1e26;
    uint256 internal constant PAYERS = 3;
    uint256 internal constant NODES = 2;
    uint256 internal constant VERIFIERS = 5;
    uint256 internal constant THRESHOLD = 2;

    IToken public immutable TOKEN;
    IVerifierSet public immutable VERIFIER_SET;
    ISettlement public immutable SETTLEMENT;
    IEscrow public immutable ESCROW;
    address public immutable ENTRY;
    address internal constant PERMIT2 = 0x000000000022D473030F116dDEE9F6B43aC78BA3;
    IX402UptoPermit2Proxy internal constant PROXY = IX402UptoPermit2Proxy(0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002);

    uint256[] internal payerKeys;
    uint256[] internal nodeKeys;
    /// @dev Ascending by address.
    uint256[] internal verifierKeys;
    /// @dev Keys of each epoch's set, ascending by address.
    mapping(uint64 epoch => uint256[]) internal epochKeys;

    constructor() {
        VM.etch(PERMIT2, deploy("Permit2.sol:Permit2", "").code);
        VM.etch(address(PROXY), deploy("X402UptoPermit2Proxy.sol:X402UptoPermit2Proxy", "").code);
        TOKEN = IToken(deploy("OPG.sol:OPG", abi.encode(address(this))));
        for (uint256 i = 0; i < PAYERS; ++i) payerKeys.push(uint256(keccak256(abi.encode("payer", i))));
        for (uint256 i = 0; i < NODES; ++i) nodeKeys.push(uint256(keccak256(abi.encode("node", i))));
        for (uint256 i = 0; i < VERIFIERS; ++i) _insertVerifier(uint256(keccak256(abi.encode("verifier", i))));
        for (uint256 i = 0; i < PAYERS; ++i) {
            TOKEN.transfer(payer(i), PAYER_BALANCE);
            VM.prank(payer(i));
            TOKEN.approve(PERMIT2, type(uint256).max);
        }

        address authority = deploy("AccessManager.sol:AccessManager", abi.encode(address(this)));
        (uint256[] memory keys, address[] memory members) = _set(0);
        epochKeys[1] = keys;
        VERIFIER_SET = IVerifierSet(
            deploy("VerifierSet.sol:VerifierSet", abi.encode(members, THRESHOLD, GRACE_SECONDS, 1_000, authority))
        );
        SETTLEMENT = ISettlement(deploy("Settlement.sol:Settlement", abi.encode(_parameters(authority))));
        ESCROW = IEscrow(SETTLEMENT.ESCROW());
        ENTRY = ESCROW.createEntry(address(this));
    }

    function payer(uint256 index) public view returns (address) {
        return VM.addr(payerKeys[index % PAYERS]);
    }

    function payoutOf(uint256 index) public pure returns (address) {
        return address(uint160(0xA0000 + (index % NODES)));
    }

    /// @notice Everybody who can earn: payouts, verifiers, treasury.
    function earner(uint256 index) public view returns (address) {
        index %= NODES + VERIFIERS + 1;
        if (index < NODES) return payoutOf(index);
        if (index < NODES + VERIFIERS) return VM.addr(verifierKeys[index - NODES]);
        return SETTLEMENT.treasury();
    }

    function earners() public pure returns (uint256) {
        return NODES + VERIFIERS + 1;
    }

    /// @dev What a payer signs for Permit2, the task being the witness.
    function _payByWitness(uint256 payerKey, Task memory task) internal view returns (Payment memory) {
        bytes32 witness = keccak256(abi.encode(MoneyTypes.TASK_TYPEHASH, task));
        bytes memory signature = _signPermit2(
            payerKey,
            _permitOf(task),
            address(ESCROW),
            MoneyTypes.TASK_WITNESS_TYPE_STRING,
            witness
        );
        return Payment({facilitator: address(0), validAfter: 0, signature: signature});
    }

    /// @dev What a payer signs as x402's upto for this facilitator's entry.
    function _payByUpto(uint256 payerKey, Task memory task) internal view returns (Payment memory) {
        bytes32 witness = keccak256(abi.encode(PROXY.WITNESS_TYPEHASH(), address(ESCROW), ENTRY, block.timestamp));
        bytes memory signature = _signPermit2(
            payerKey,
            _permitOf(task),
            address(PROXY),
            PROXY.WITNESS_TYPE_STRING(),
            witness
        );
        return Payment({facilitator: address(this), validAfter: block.timestamp, signature: signature});
    }

    function _certify(Result memory result, uint64 epoch, bool agrees) internal view returns (Certificate memory) {
        bytes32 structHash = MoneyTypes.hashVerdict(SETTLEMENT.resultHashOf(result), epoch, 0, agrees);
        bytes32 digest = _digest(_domain("OPG Settlement", address(SETTLEMENT)), structHash);
        return Certificate({epoch: epoch, mode: 0, signatures: _signAll(epoch, digest)});
    }

    function _signCounts(
        uint64 epoch,
        address[] memory verifiers,
        uint64[] memory counts
    ) internal view returns (bytes memory) {
        bytes32 structHash = keccak256(
            abi.encode(
                MoneyTypes.COUNTS_TYPEHASH,
                epoch,
                keccak256(abi.encodePacked(verifiers)),
                keccak256(abi.encodePacked(counts))
            )
        );
        return _signAll(epoch, _digest(_domain("OPG Settlement", address(SETTLEMENT)), structHash));
    }

    function _signHandover(address[] memory members, uint40 validUntil) internal view returns (bytes memory) {
        uint64 epoch = VERIFIER_SET.currentEpoch();
        bytes32 structHash = MoneyTypes.hashHandover(
            VERIFIER_SET.networkId(),
            epoch,
            VERIFIER_SET.setHash(VERIFIER_SET.members(), THRESHOLD),
            VERIFIER_SET.setHash(members, THRESHOLD),
            validUntil
        );
        return _signAll(epoch, _digest(_domain("OPG VerifierSet", address(VERIFIER_SET)), structHash));
    }

    /// @dev Three neighbours of the five verifiers.
    function _set(uint256 start) internal view returns (uint256[] memory keys, address[] memory members) {
        keys = new uint256[](3);
        members = new address[](3);
        for (uint256 i = 0; i < 3; ++i) {
            keys[i] = verifierKeys[(start % (VERIFIERS - 2)) + i];
            members[i] = VM.addr(keys[i]);
        }
    }

    function _signAll(uint64 epoch, bytes32 digest) internal view returns (bytes memory signatures) {
        uint256[] storage keys = epochKeys[epoch];
        for (uint256 i = 0; i < keys.length; ++i) signatures = bytes.concat(signatures, _sign(keys[i], digest));
    }

    function _sign(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = VM.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _digest(bytes32 domainSeparator, bytes32 structHash) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked("\x19\x01", domainSeparator, structHash));
    }

    /// @dev What somebody signs for Permit2 so that `spender` may take the amount for what the witness says.
    function _signPermit2(
        uint256 key,
        ISignatureTransfer.PermitTransferFrom memory permit,
        address spender,
        string memory witnessTypeString,
        bytes32 witness
    ) internal view returns (bytes memory) {
        bytes32 permitted = keccak256(
            abi.encode(keccak256("TokenPermissions(address token,uint256 amount)"), permit.permitted)
        );
        bytes32 permitType = keccak256(
            abi.encodePacked(
                "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,",
                witnessTypeString
            )
        );
        bytes32 structHash = keccak256(
            abi.encode(permitType, permitted, spender, permit.nonce, permit.deadline, witness)
        );
        return _sign(key, _digest(IDomainSeparator(PERMIT2).DOMAIN_SEPARATOR(), structHash));
    }

    /// @dev What Permit2 is told of a task.
    function _permitOf(Task memory task) internal view returns (ISignatureTransfer.PermitTransferFrom memory) {
        return
            ISignatureTransfer.PermitTransferFrom({
                permitted: ISignatureTransfer.TokenPermissions({token: address(TOKEN), amount: task.maxAmount}),
                nonce: task.nonce,
                deadline: task.deadline + SETTLE_WINDOW_SECONDS
            });
    }

    function _domain(string memory name, address verifyingContract) internal view returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                    keccak256(bytes(name)),
                    keccak256("1"),
                    block.chainid,
                    verifyingContract
                )
            );
    }

    function _parameters(address authority) private view returns (ISettlement.Parameters memory) {
        return
            ISettlement.Parameters({
                token: address(TOKEN),
                permit2: PERMIT2,
                verifierSet: address(VERIFIER_SET),
                authority: authority,
                treasury: address(0x7EA5),
                maxTaskSeconds: MAX_TASK_SECONDS,
                settleWindowSeconds: SETTLE_WINDOW_SECONDS,
                withdrawDelaySeconds: WITHDRAW_DELAY_SECONDS,
                closeSeconds: CLOSE_SECONDS,
                verifierBps: 1_000,
                treasuryBps: 500
            });
    }

    function _insertVerifier(uint256 key) private {
        verifierKeys.push(key);
        for (uint256 i = verifierKeys.length - 1; i > 0 && VM.addr(verifierKeys[i - 1]) > VM.addr(key); --i) {
            (verifierKeys[i - 1], verifierKeys[i]) = (key, verifierKeys[i - 1]);
        }
    }
}
