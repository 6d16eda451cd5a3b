/** What the tests use of fengari, a Lua 5.3 in JavaScript that has no types of its own. */
declare module 'fengari' {
  /** The state of one interpreter. */
  interface LuaState {
    readonly l_G: object;
  }
  type LuaFunction = (state: LuaState) => number;
  /** A string as Lua has it. */
  type LuaString = Uint8Array;

  export const to_luastring: (text: string) => LuaString;
  export const to_jsstring: (text: LuaString) => string;

  export const lua: {
    readonly LUA_OK: number;
    readonly LUA_TNIL: number;
    readonly LUA_TBOOLEAN: number;
    readonly LUA_TNUMBER: number;
    readonly LUA_TSTRING: number;
    readonly LUA_TTABLE: number;
    lua_close(state: LuaState): void;
    lua_createtable(state: LuaState, items: number, fields: number): void;
    lua_gettop(state: LuaState): number;
    lua_isinteger(state: LuaState, index: number): boolean;
    lua_next(state: LuaState, index: number): number;
    lua_pop(state: LuaState, count: number): void;
    lua_pushboolean(state: LuaState, value: boolean): void;
    lua_pushinteger(state: LuaState, value: number): void;
    lua_pushnil(state: LuaState): void;
    lua_pushnumber(state: LuaState, value: number): void;
    lua_pushstring(state: LuaState, value: LuaString): void;
    lua_setfield(state: LuaState, index: number, name: LuaString): void;
    lua_setglobal(state: LuaState, name: LuaString): void;
    lua_rawseti(state: LuaState, index: number, item: number): void;
    lua_toboolean(state: LuaState, index: number): boolean;
    lua_tointeger(state: LuaState, index: number): number;
    lua_tojsstring(state: LuaState, index: number): string;
    lua_tonumber(state: LuaState, index: number): number;
    lua_type(state: LuaState, index: number): number;
  };

  export const lauxlib: {
    luaL_newstate(): LuaState;
    luaL_dostring(state: LuaState, script: LuaString): number;
    luaL_requiref(state: LuaState, name: LuaString, open: LuaFunction, global: boolean): void;
  };

  export const lualib: {
    readonly luaopen_base: LuaFunction;
    readonly luaopen_table: LuaFunction;
  };
}
