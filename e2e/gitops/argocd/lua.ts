/**
 * Runs a script as Argo CD does: with the object as the global `obj`, the base and table libraries and nothing else, and the result read
 * as JSON. Argo CD's interpreter is Lua 5.1 and ours 5.3, so what only 5.3 has is taken out or refused.
 */
import { lauxlib, lua, lualib, to_luastring, type LuaState } from 'fengari';

/** In Lua 5.3 and not in 5.1. Keyed by table; the empty name is the global one. */
const newerFunctions = { '': ['rawlen'], table: ['pack', 'unpack', 'move'] } as const;

/** Operators and statements that Lua 5.1 cannot read. */
const newerSyntax = /\/\/|::|\bgoto\b|<<|>>|[&|]|~(?!=)/;

/** What in a script Lua 5.1 would not accept, apart from comments and strings. */
export function newerThanLua51(script: string): string | undefined {
  const code = script.replace(/--[^\n]*/g, '').replace(/"[^"\n]*"/g, '""');
  return newerSyntax.exec(code)?.[0];
}

/** The table that the script returns. Throws with Lua's message when it fails or returns something else. */
export function runScript(script: string, object: object): unknown {
  const newer = newerThanLua51(script);
  if (newer !== undefined) throw new Error(`Lua 5.1 does not know ${newer}`);
  const state = lauxlib.luaL_newstate();
  try {
    openLibraries(state);
    push(state, object);
    lua.lua_setglobal(state, to_luastring('obj'));
    if (lauxlib.luaL_dostring(state, to_luastring(script)) !== lua.LUA_OK) throw new Error(lua.lua_tojsstring(state, -1));
    if (lua.lua_gettop(state) === 0 || lua.lua_type(state, -1) !== lua.LUA_TTABLE) throw new Error('the script returns no table');
    return read(state);
  } finally {
    lua.lua_close(state);
  }
}

function openLibraries(state: LuaState): void {
  lauxlib.luaL_requiref(state, to_luastring('_G'), lualib.luaopen_base, true);
  for (const name of newerFunctions['']) {
    lua.lua_pushnil(state);
    lua.lua_setglobal(state, to_luastring(name));
  }
  lauxlib.luaL_requiref(state, to_luastring('table'), lualib.luaopen_table, true);
  for (const name of newerFunctions.table) {
    lua.lua_pushnil(state);
    lua.lua_setfield(state, -2, to_luastring(name));
  }
  lua.lua_pop(state, 2);
}

function push(state: LuaState, value: unknown): void {
  if (typeof value === 'boolean') lua.lua_pushboolean(state, value);
  else if (typeof value === 'string') lua.lua_pushstring(state, to_luastring(value));
  else if (typeof value === 'number' && Number.isInteger(value)) lua.lua_pushinteger(state, value);
  else if (typeof value === 'number') lua.lua_pushnumber(state, value);
  else if (Array.isArray(value)) {
    lua.lua_createtable(state, value.length, 0);
    value.forEach((item, index) => {
      push(state, item);
      lua.lua_rawseti(state, -2, index + 1);
    });
  } else if (typeof value === 'object' && value !== null) {
    lua.lua_createtable(state, 0, 0);
    for (const [key, item] of Object.entries(value)) {
      push(state, item);
      lua.lua_setfield(state, -2, to_luastring(key));
    }
  } else lua.lua_pushnil(state);
}

/** The value on top of the stack. A table without fields is an empty list, as in Argo CD. */
function read(state: LuaState): unknown {
  switch (lua.lua_type(state, -1)) {
    case lua.LUA_TTABLE:
      return readTable(state);
    case lua.LUA_TSTRING:
      return lua.lua_tojsstring(state, -1);
    case lua.LUA_TNUMBER:
      return lua.lua_tonumber(state, -1);
    case lua.LUA_TBOOLEAN:
      return lua.lua_toboolean(state, -1);
    default:
      throw new Error('the script returns something that JSON has no word for');
  }
}

function readTable(state: LuaState): unknown {
  const entries: [string | number, unknown][] = [];
  lua.lua_pushnil(state);
  while (lua.lua_next(state, -2) !== 0) {
    const value = read(state);
    lua.lua_pop(state, 1);
    entries.push([lua.lua_isinteger(state, -1) ? lua.lua_tointeger(state, -1) : lua.lua_tojsstring(state, -1), value]);
  }
  const keys = entries.map(([key]) => key);
  if (keys.every((key) => typeof key === 'number')) return entries.sort(([a], [b]) => Number(a) - Number(b)).map(([, value]) => value);
  if (keys.some((key) => typeof key === 'number')) throw new Error('the script returns a table that is both a list and a map');
  return Object.fromEntries(entries);
}

/** Lua cannot tell an empty map from an empty list: Argo CD takes what the object had before. */
export function restoreEmpty(after: unknown, before: unknown): unknown {
  if (Array.isArray(after)) {
    if (after.length === 0 && isMap(before)) return before;
    return Array.isArray(before) ? after.map((item: unknown, index) => restoreEmpty(item, before[index])) : after;
  }
  if (!isMap(after) || !isMap(before)) return after;
  return Object.fromEntries(Object.entries(after).map(([key, value]) => [key, restoreEmpty(value, before[key])]));
}

const isMap = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
