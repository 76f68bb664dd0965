// SPDX-License-Identifier: MIT
pragma solidity ^0.8.28;

import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {ISignatureTransfer} from "@uniswap/v4-periphery/lib/permit2/src/interfaces/ISignatureTransfer.sol";
import {IFacilitatorEntry} from "../interfaces/IFacilitatorEntry.sol";
import {IX402UptoPermit2Proxy} from "../interfaces/IX402UptoPermit2Proxy.sol";

/// @title FacilitatorEntry
/// @notice See IFacilitatorEntry.
/// @dev A clone's immutable arguments are its facilitator's 20 bytes.
contract FacilitatorEntry is IFacilitatorEntry {
    /// @inheritdoc IFacilitatorEntry
    address public constant UPTO_PROXY = 0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002;
    /// @inheritdoc IFacilitatorEntry
    address public immutable ESCROW;

    mapping(address account => bool allowed) private _signers;

    /// @dev The deployer is the custody.
    constructor() {
        ESCROW = msg.sender;
    }

    /// @inheritdoc IFacilitatorEntry
    function pull(
        address submitter,
        ISignatureTransfer.PermitTransferFrom calldata permit,
        uint256 amount,
        address owner,
        IX402UptoPermit2Proxy.Witness calldata witness,
        bytes calldata signature
    ) external {
        if (msg.sender != ESCROW) revert OnlyEscrow(msg.sender);
        _requireSigner(submitter);
        IX402UptoPermit2Proxy(UPTO_PROXY).settle(permit, amount, owner, witness, signature);
    }

    /// @inheritdoc IFacilitatorEntry
    function settle(
        ISignatureTransfer.PermitTransferFrom calldata permit,
        uint256 amount,
        address owner,
        IX402UptoPermit2Proxy.Witness calldata witness,
        bytes calldata signature
    ) external {
        _requireSigner(msg.sender);
        if (witness.to == ESCROW) revert ReservedForTasks(witness.to);
        IX402UptoPermit2Proxy(UPTO_PROXY).settle(permit, amount, owner, witness, signature);
    }

    /// @inheritdoc IFacilitatorEntry
    function setSigner(address signer, bool allowed) external {
        if (msg.sender != facilitator()) revert OnlyFacilitator(msg.sender);
        _signers[signer] = allowed;
        emit SignerSet(signer, allowed);
    }

    /// @inheritdoc IFacilitatorEntry
    function isSigner(address account) public view returns (bool) {
        return account == facilitator() || _signers[account];
    }

    /// @inheritdoc IFacilitatorEntry
    function facilitator() public view returns (address) {
        return address(bytes20(Clones.fetchCloneArgs(address(this))));
    }

    function _requireSigner(address account) private view {
        if (!isSigner(account)) revert NotASigner(account);
    }
}
