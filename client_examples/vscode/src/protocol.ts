// The types of the protocol are generated, with those of the Node client.
export type {
  ChangeBatch,
  Capability,
  ContextEntry,
  Location,
  SearchHit,
  Session,
  SessionMethods,
  TrashItem,
} from "../../node/tenets-session-client.mjs";
