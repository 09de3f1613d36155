import { CitadelError } from "../../../lib/errors/errors.ts";
import { ServiceError } from "../../../lib/errors/service-error.ts";
import { contract } from "../chat.contract.ts";
import type { BlocksRepository } from "./blocks.repository.ts";
import type { RoomAccess, RoomsRepository } from "./rooms.repository.ts";

export const noSuchRoom = () => new CitadelError("NotFound", { message: "There is no such room." });

/** What users may do in rooms. A private room does not exist for those who are no members. */
export class Access {
  readonly #rooms: RoomsRepository;
  readonly #blocks: BlocksRepository;

  constructor(rooms: RoomsRepository, blocks: BlocksRepository) {
    this.#rooms = rooms;
    this.#blocks = blocks;
  }

  /** A room that the user is in, or a public one. @throws CitadelError NotFound */
  async toSee(id: string, userId: string): Promise<RoomAccess> {
    const room = await this.#rooms.access(id, userId);
    if (!room || (room.private && room.role === null)) throw noSuchRoom();
    return room;
  }

  /**
   * A room that the user is in.
   *
   * @throws CitadelError NotFound; UserNotAuthorized for a public room that the user is not a member of
   */
  async toRead(id: string, userId: string): Promise<RoomAccess> {
    const room = await this.toSee(id, userId);
    if (room.role === null && room.kind !== "lobby")
      throw new CitadelError("UserNotAuthorized", {
        message: "Join this room first: PUT /api/chat/rooms/:id/members/:userId with your user id.",
      });
    return room;
  }

  /** A room that the user may write in. @throws what `toRead` throws; ServiceError Blocked */
  async toWrite(id: string, userId: string): Promise<RoomAccess> {
    const room = await this.toRead(id, userId);
    if (room.userId !== null) await this.mustNotBeBlocked(room.userId, userId);
    return room;
  }

  /** A room that the user owns. @throws what `toRead` throws; UserNotAuthorized */
  async toManage(id: string, userId: string): Promise<RoomAccess> {
    const room = await this.toRead(id, userId);
    if (room.role !== "owner" || room.kind !== "group")
      throw new CitadelError("UserNotAuthorized", {
        message: "Only the owners of a room may do this.",
      });
    return room;
  }

  /** @throws ServiceError Blocked if `userId` has blocked `otherId` */
  async mustNotBeBlocked(userId: string, otherId: string): Promise<void> {
    if (await this.#blocks.has(userId, otherId)) throw new ServiceError(contract, "Blocked");
  }
}
