// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Share} from "../libraries/Share.sol";
import {Debit} from "./IAccounts.sol";
import {Payment, Task} from "./ITaskEscrow.sol";

/// @notice What the node's enclave signs when it has computed.
struct Result {
    bytes32 taskId;
    bytes32 response;
    address payout;
    uint128 amount;
    uint40 completedAt;
}

/// @notice Verdicts of a quorum over one result: all of one epoch, all checked in the same mode.
struct Certificate {
    uint64 epoch;
    uint8 mode;
    /// @dev As IVerifierSet takes them, over `Verdict(resultHash, epoch, mode, agrees)` in Settlement's domain.
    bytes signatures;
}

/// @notice Many receipts of one facilitator at once, as sums per payer and per payee. What a quorum signs.
struct Batch {
    address facilitator;
    uint64 epoch;
    /// @dev Id of the facilitator's batch before this one; zero for its first.
    bytes32 previous;
    /// @dev Of the Merkle tree over the receipts, by which each of them can be proved to belong to the batch.
    bytes32 root;
    /// @dev `keccak256` over the payers' shares.
    bytes32 debits;
    /// @dev `keccak256` over the number of receipts as a word, then the payees' shares.
    bytes32 credits;
}

/// @title Settlement of tasks
/// @notice Checks the node's signature and the verifiers' certificate, then divides the charge between node, verifiers and
/// treasury. Verifiers' and treasury's shares gather in a pool per epoch of the verifier set until it is closed.
/// @dev Domain "OPG Settlement", version "1".
/// @custom:warning A certificate attests that a result is right. It cannot raise a charge above what the payer signed, nor
/// send the node's share anywhere but where the node's own signature says.
interface ISettlement {
    /// @notice What a deployment fixes; `treasury` and the two shares can move later.
    struct Parameters {
        address token;
        address permit2;
        address verifierSet;
        /// @dev OpenZeppelin AccessManager behind the timelock.
        address authority;
        address treasury;
        uint256 maxTaskSeconds;
        uint256 settleWindowSeconds;
        uint256 withdrawDelaySeconds;
        uint256 closeSeconds;
        uint256 verifierBps;
        uint256 treasuryBps;
    }

    /// @dev One storage slot; amounts of OPG fit into 96 bits.
    struct Pool {
        uint96 verifierAmount;
        uint96 treasuryAmount;
        uint64 settledTasks;
    }

    /// @notice A task was paid. The three amounts add up to its charge.
    event TaskSettled(
        bytes32 indexed taskId,
        address indexed node,
        uint64 indexed epoch,
        bytes32 resultHash,
        address payout,
        uint256 nodeAmount,
        uint256 verifierAmount,
        uint256 treasuryAmount
    );
    /// @notice A batch of `receipts` was paid. The three amounts add up to what was debited.
    event BatchSettled(
        bytes32 indexed batchId,
        address indexed facilitator,
        uint64 indexed epoch,
        bytes32 root,
        uint64 receipts,
        uint256 nodeAmount,
        uint256 verifierAmount,
        uint256 treasuryAmount
    );
    /// @notice Of a batch's `charge` for a payee, `nodeAmount` is theirs.
    event PayeeCredited(bytes32 indexed batchId, address indexed payee, uint256 charge, uint256 nodeAmount);
    /// @notice A quorum refused the result of a task; its payer has the money back.
    event TaskRefused(bytes32 indexed taskId, address indexed node, uint64 indexed epoch, bytes32 resultHash);
    /// @notice The pool of an epoch was divided; what absent verifiers would have had went to the treasury.
    event EpochClosed(uint64 indexed epoch, address[] verifiers, uint64[] counts, uint256 paid, uint256 treasuryAmount);
    /// @notice Governance moved the shares; tasks settled from now on are divided by them.
    event FeesSet(uint256 verifierBps, uint256 treasuryBps);
    /// @notice Governance named where the treasury's share goes when an epoch is closed.
    event TreasurySet(address indexed treasury);

    error FeesOutOfBounds(uint256 verifierBps, uint256 treasuryBps);
    error ZeroAddress();
    /// @dev A set of verifiers must not be installable under a task or an account that is there today.
    error InstallDelayTooShort(uint256 installDelaySeconds, uint256 longestExitSeconds);
    error WrongMode(uint8 mode, uint8 policy);
    error CompletedLate(uint40 completedAt, uint40 deadline);
    error NotSignedByNode(address signer, address node);
    /// @dev `closableAt` is 0 while the epoch has not ended.
    error EpochStillOpen(uint64 epoch, uint256 closableAt);
    error EpochEmpty(uint64 epoch);
    error CountsMismatch(uint256 verifiers, uint256 counts);
    error CountAboveTasks(address verifier, uint64 count, uint64 settledTasks);
    error NotAMember(address verifier, uint64 epoch);
    error VerifiersNotAscending(address previous, address next);
    /// @dev Neither the facilitator nor a signer of its entry.
    error NotTheFacilitator(address caller, address facilitator);
    /// @dev The facilitator's last batch is another one.
    error StaleHead(bytes32 previous, bytes32 head);
    error DebitsMismatch(bytes32 actual, bytes32 certified);
    error CreditsMismatch(bytes32 actual, bytes32 certified);
    error UnbalancedBatch(uint256 debited, uint256 credited);
    error PayeesNotAscending(address previous, address next);

    /// @notice Pays for `result` of the open `task`. Anyone may submit it, until deadline + settle window.
    /// @param nodeSignature the enclave's signature over the result
    function settle(
        Task calldata task,
        Result calldata result,
        bytes calldata nodeSignature,
        Certificate calldata certificate
    ) external;

    /// @notice Pays for `result` of a `task` that was run without a prior lock: the charge comes straight from the payer, under
    /// the signature in `payment`. Of an open task the lock is used instead, as by `settle`. Until deadline + settle window;
    /// a pause does not stop it. Anyone may submit it where the task is what the payer signed; under x402's `upto` only a
    /// signer of the entry that the payer named.
    /// @custom:warning Payers with code are refused: open their tasks first. A payer without code can still use up the nonce or
    /// move the tokens away before; who releases a task without a lock bears that.
    function capture(
        Task calldata task,
        Result calldata result,
        bytes calldata nodeSignature,
        Certificate calldata certificate,
        Payment calldata payment
    ) external;

    /// @notice Refunds the open `task` at once, under a certificate that refuses `result`. Anyone may submit it.
    function refuse(Task calldata task, Result calldata result, Certificate calldata refusals) external;

    /// @notice Pays for many receipts of prefunded accounts at once, all of them or none: each debit under its payer's voucher,
    /// each credit divided like a charge. Under a certificate over `batch`, whose digest is the batch's id and the head that
    /// the facilitator's next batch must name. Only the facilitator or a signer of its entry may submit it, so that a quorum
    /// alone cannot use the vouchers that the facilitator holds.
    /// @param receipts how many there are; verifiers' counts of an epoch are measured against them
    /// @param debits payers ascending; any voucher that covers the debit will do
    /// @param credits what the charges come to for each payee, before the shares of verifiers and treasury; payees ascending
    function settleBatch(
        Batch calldata batch,
        uint64 receipts,
        Debit[] calldata debits,
        Share[] calldata credits,
        bytes calldata signatures
    ) external;

    /// @notice Divides the pool of a past epoch by how often each verifier committed in time and was right:
    /// `verifierAmount * count / (settledTasks * size of the set)` each, rounded down; the rest goes to the treasury.
    /// The certificate is of the epoch's own set, over `Counts(epoch, verifiers, counts)`. After
    /// `CLOSE_SECONDS` without one, anyone may close it with no counts and no signatures: all goes to the treasury. A past
    /// epoch can be closed once its certificates are no longer accepted, `GRACE_SECONDS` after its end.
    function closeEpoch(
        uint64 epoch,
        address[] calldata verifiers,
        uint64[] calldata counts,
        bytes calldata signatures
    ) external;

    /// @notice Governance moves the shares, within `MAX_VERIFIER_BPS` and `MAX_TREASURY_BPS`.
    function setFees(uint256 verifierBps, uint256 treasuryBps) external;
    /// @notice Governance names where the treasury's share goes.
    function setTreasury(address treasury) external;

    /// @notice EIP-712 digest of a result: what node and verifiers sign.
    function resultHashOf(Result calldata result) external view returns (bytes32);
    /// @notice Id of a facilitator's last batch; zero before its first.
    function heads(address facilitator) external view returns (bytes32);
    /// @notice EIP-712 digest of a batch: its id.
    function batchIdOf(Batch calldata batch) external view returns (bytes32);
    /// @notice What waits to be divided for an epoch; all zero once it was closed.
    function pools(uint64 epoch) external view returns (Pool memory);
    /// @notice Shares of verifiers and treasury in basis points; the node gets what is left of 10,000.
    function fees() external view returns (uint256 verifierBps, uint256 treasuryBps);
    /// @notice Where the treasury's share goes.
    function treasury() external view returns (address);
    /// @notice The custody that this contract deployed for itself.
    function ESCROW() external view returns (address);
    /// @notice The set whose certificates count here.
    function VERIFIERS() external view returns (address);
    /// @notice Upper bound of the verifiers' share.
    function MAX_VERIFIER_BPS() external view returns (uint256);
    /// @notice Upper bound of the treasury's share.
    function MAX_TREASURY_BPS() external view returns (uint256);
    /// @notice How long a closable epoch waits for a certificate of counts before anyone may close it without one.
    function CLOSE_SECONDS() external view returns (uint256);
}
