// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {ISignatureTransfer} from "@uniswap/v4-periphery/lib/permit2/src/interfaces/ISignatureTransfer.sol";
import {IAccounts} from "../../../contracts/interfaces/IAccounts.sol";
import {IFacilitatorEntry} from "../../../contracts/interfaces/IFacilitatorEntry.sol";
import {MoneyTypes} from "../../../contracts/libraries/MoneyTypes.sol";
import {IDomainSeparator, MoneyWorld} from "./MoneyWorld.sol";
import {deploy, VM} from "./Vm.sol";

/// @notice Who has prefunded accounts: the payers of tasks, a wallet that is a contract (EIP-1271) and somebody whose
/// account is delegated to such a wallet (EIP-7702); each may have one at either of two facilitators. Knows how to sign.
abstract contract AccountWorld is MoneyWorld {
    /// @dev How money comes into an account.
    enum Way {
        Approval,
        Permit,
        Permit2,
        Authorization
    }

    struct Deposit {
        Way way;
        address funder;
        address payer;
        address desk;
        uint96 amount;
    }

    uint256 public constant HOLDERS = PAYERS + 2;
    uint256 public constant FACILITATORS = 2;
    uint256 internal constant VOUCHER_KEYS = 2;
    /// @dev Whoever may sign for nothing here.
    uint256 internal constant THIEF_KEY = uint256(keccak256("thief"));
    uint256 internal constant FACILITATOR_KEY = uint256(keccak256("facilitator"));

    /// @notice Ascending, as batches want them.
    address[] public holders;
    /// @dev Whose signature stands for an address: its own key's, of a wallet its owner's.
    mapping(address account => uint256 key) internal keyOf;
    address internal immutable WALLET;
    /// @dev May submit for the first facilitator.
    address internal immutable ENTRY_SIGNER = VM.addr(uint256(keccak256("signer of the entry")));
    /// @dev Nonces of deposits lie far from those of tasks.
    uint256 internal nextNonce = 1 << 128;

    constructor() {
        uint256 ownerKey = uint256(keccak256("owner of the wallet"));
        uint256 delegatedKey = uint256(keccak256("delegated"));
        WALLET = _wallet(VM.addr(ownerKey));
        address delegated = VM.addr(delegatedKey);
        VM.etch(delegated, abi.encodePacked(hex"ef0100", _wallet(delegated)));
        VM.prank(delegated);
        TOKEN.approve(PERMIT2, type(uint256).max);

        TOKEN.transfer(WALLET, PAYER_BALANCE);
        TOKEN.transfer(delegated, PAYER_BALANCE);
        (keyOf[WALLET], keyOf[delegated]) = (ownerKey, delegatedKey);
        for (uint256 i = 0; i < PAYERS; ++i) keyOf[payer(i)] = payerKeys[i];
        for (uint256 i = 0; i < VOUCHER_KEYS; ++i) keyOf[VM.addr(_voucherKey(i))] = _voucherKey(i);
        for (uint256 i = 0; i < PAYERS; ++i) _insertHolder(payer(i));
        _insertHolder(WALLET);
        _insertHolder(delegated);
        IFacilitatorEntry(ENTRY).setSigner(ENTRY_SIGNER, true);
    }

    /// @notice The first is this contract, the second an ordinary account.
    function facilitator(uint256 index) public view returns (address) {
        return index % FACILITATORS == 0 ? address(this) : VM.addr(FACILITATOR_KEY);
    }

    function _voucherKey(uint256 index) internal pure returns (uint256) {
        return uint256(keccak256(abi.encode("voucher key", index % VOUCHER_KEYS)));
    }

    /// @dev A call that brings the deposit, signed by `key` where its way is signed, and who has to send it.
    function _depositCall(Deposit memory d, uint256 key) internal returns (bytes memory call, address sender) {
        VM.prank(d.funder);
        TOKEN.approve(address(ESCROW), d.way == Way.Approval ? d.amount : 0);
        uint256 deadline = block.timestamp + 1;
        if (d.way == Way.Approval) return (abi.encodeCall(IAccounts.deposit, (d.payer, d.desk, d.amount)), d.funder);
        if (d.way == Way.Permit) {
            (uint8 v, bytes32 r, bytes32 s) = VM.sign(key, _permitDigest(d, deadline));
            call = abi.encodeCall(IAccounts.depositWithPermit, (d.payer, d.desk, d.amount, deadline, v, r, s));
            return (call, d.funder);
        }
        // Anyone may submit what the funder signed.
        sender = ENTRY_SIGNER;
        if (d.way == Way.Permit2) {
            uint256 nonce = nextNonce++;
            bytes memory signature = _signDeposit(d, key, nonce, deadline);
            call = abi.encodeCall(
                IAccounts.depositWithPermit2,
                (d.funder, d.payer, d.desk, d.amount, nonce, deadline, signature)
            );
        } else {
            bytes32 salt = bytes32(nextNonce++);
            bytes memory signature = _sign(key, _authorizationDigest(d, deadline, salt));
            call = abi.encodeCall(
                IAccounts.depositWithAuthorization,
                (d.funder, d.payer, d.desk, d.amount, 0, deadline, salt, signature)
            );
        }
    }

    /// @dev Compact, as EIP-2098 has it.
    function _signVoucher(
        uint256 key,
        address account,
        address desk,
        uint96 cap
    ) internal view returns (bytes32 r, bytes32 vs) {
        bytes32 structHash = keccak256(abi.encode(MoneyTypes.VOUCHER_TYPEHASH, account, desk, cap));
        uint8 v;
        bytes32 s;
        (v, r, s) = VM.sign(key, _digest(_domain("OPG TaskEscrow", address(ESCROW)), structHash));
        vs = bytes32((uint256(v - 27) << 255) | uint256(s));
    }

    function _wallet(address owner) private returns (address) {
        return deploy("ContractWallet.sol:ContractWallet", abi.encode(owner, TOKEN, PERMIT2));
    }

    function _signDeposit(
        Deposit memory d,
        uint256 key,
        uint256 nonce,
        uint256 deadline
    ) private view returns (bytes memory) {
        return
            _signPermit2(
                key,
                ISignatureTransfer.PermitTransferFrom({
                    permitted: ISignatureTransfer.TokenPermissions({token: address(TOKEN), amount: d.amount}),
                    nonce: nonce,
                    deadline: deadline
                }),
                address(ESCROW),
                MoneyTypes.DEPOSIT_WITNESS_TYPE_STRING,
                MoneyTypes.hashDeposit(d.payer, d.desk)
            );
    }

    function _permitDigest(Deposit memory d, uint256 deadline) private view returns (bytes32) {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                d.funder,
                address(ESCROW),
                d.amount,
                TOKEN.nonces(d.funder),
                deadline
            )
        );
        return _digest(IDomainSeparator(address(TOKEN)).DOMAIN_SEPARATOR(), structHash);
    }

    function _authorizationDigest(Deposit memory d, uint256 deadline, bytes32 salt) private view returns (bytes32) {
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
                ),
                d.funder,
                address(ESCROW),
                d.amount,
                0,
                deadline,
                keccak256(abi.encode(d.payer, d.desk, salt))
            )
        );
        return _digest(IDomainSeparator(address(TOKEN)).DOMAIN_SEPARATOR(), structHash);
    }

    function _insertHolder(address holder) private {
        holders.push(holder);
        for (uint256 i = holders.length - 1; i > 0 && holders[i - 1] > holder; --i) {
            (holders[i - 1], holders[i]) = (holder, holders[i - 1]);
        }
    }
}
